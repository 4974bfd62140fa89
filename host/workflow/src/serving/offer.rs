//! What a home may serve now: what aliases name, and named, if it verifies.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::hub::Commit;
use freehold_core::name::Alias;
use jiff::Timestamp;
use serde::Serialize;

use super::permit;
use crate::audit::{ExplainedBase, Moved, MovedRuns, verify_moved};
use crate::{Home, WorkflowError, may_serve};

/// What may be served, and what not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it rests on.
    pub ground: OfferGround,
    /// When the trust root that it rests on expires: nothing is served after it.
    pub expires: Timestamp,
    /// The models by their names: an alias, or the digest of an adapter that an alias named.
    pub models: BTreeMap<String, Offered>,
    /// What is not served.
    pub refused: Vec<Refused>,
}

/// What an offer rests on: where this is the same, the home offers the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfferGround {
    /// Entries of the ledger.
    pub entries: u64,
    /// The rules of the operator; `None` if there are none.
    pub rules: Option<Digest>,
}

/// A model that may be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// The adapter's manifest.
    pub adapter: Digest,
    /// The run that made it.
    pub run: String,
    /// When the alias was moved to it.
    pub since: Timestamp,
    /// Whether an alias names it now.
    pub current: bool,
    /// Its base model.
    pub base: OfferedBase,
}

/// A base model, as the record of a run names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedBase {
    /// Its name in the recipe.
    pub name: String,
    /// The commit on its hub, if it comes from one.
    pub commit: Option<Commit>,
    /// Its digest.
    pub digest: Digest,
}

/// A model that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its name.
    pub model: String,
    /// The run that made it.
    pub run: String,
    /// Why.
    pub reason: String,
}

impl Home {
    /// Verifies what aliases name and named, and says what of it may be served.
    ///
    /// # Errors
    /// Trust roots or ledger do not verify, or the newest trust root has expired: then nothing is served.
    pub fn offer(&self) -> Result<Offer, WorkflowError> {
        let rules = self.host_file_digest()?;
        let all = verify_moved(self)?;
        all.root.in_force(Timestamp::now())?;
        let ground = OfferGround { entries: all.entries, rules };
        let mut offer = Offer { ground, expires: all.root.expires, models: BTreeMap::new(), refused: Vec::new() };
        let last = all.moves.iter().map(|moved| (&moved.alias, moved)).collect::<BTreeMap<&Alias, &Moved>>();
        for (alias, moved) in last {
            offer.take(Named::Alias(alias), moved, true, (self, &all));
        }
        let current: Vec<Digest> = offer.models.values().map(|model| model.adapter).collect();
        // The newest move to an adapter counts, if what it rests on holds.
        for moved in all.moves.iter().rev() {
            let name = moved.adapter.to_string();
            let is_refused = offer.refused.iter().any(|refused| refused.model == name && refused.run == moved.run);
            if !offer.models.contains_key(&name) && !is_refused {
                let current = current.contains(&moved.adapter);
                offer.take(Named::Digest(name), moved, current, (self, &all));
            }
        }
        offer.refused.retain(|refused| !offer.models.contains_key(&refused.model));
        Ok(offer)
    }

    /// What an offer would rest on now: when it is something else, the home offers something else, perhaps.
    ///
    /// # Errors
    /// The ledger's head does not verify, or the operator's rules cannot be read.
    pub fn offer_ground(&self) -> Result<OfferGround, WorkflowError> {
        Ok(OfferGround { entries: self.ledger()?.tree_head()?.size, rules: self.host_file_digest()? })
    }
}

/// What a model is asked for by.
enum Named<'a> {
    Alias(&'a Alias),
    Digest(String),
}

impl Offer {
    fn take(&mut self, named: Named<'_>, moved: &Moved, current: bool, (home, all): (&Home, &MovedRuns)) {
        let Moved { adapter, run, time, .. } = moved;
        let (name, alias) = match named {
            Named::Alias(alias) => (alias.to_string(), Some(alias)),
            Named::Digest(name) => (name, None),
        };
        let refused = |reason| Refused { model: name.clone(), run: run.clone(), reason };
        let known = all.runs.get(run);
        let refusal = known.map_or(Some("its run is not known".into()), |run| {
            permit::refusal(run, adapter, &all.root, may_serve(home, adapter, alias))
        });
        let explained = known.and_then(|run| run.explained.as_ref().ok());
        match (refusal, explained.map(|explained| base(&explained.base))) {
            (None, Some(Ok(base))) => {
                let offered = Offered { adapter: *adapter, run: run.clone(), since: *time, current, base };
                self.models.insert(name, offered);
            }
            (None, Some(Err(reason))) | (Some(reason), _) => self.refused.push(refused(reason)),
            (None, None) => self.refused.push(refused("its run is not known".into())),
        }
    }
}

fn base(explained: &ExplainedBase) -> Result<OfferedBase, String> {
    let commit = explained.commit.as_deref().map(str::parse).transpose();
    let commit = commit.map_err(|_| "its record names no commit of its base model")?;
    Ok(OfferedBase { name: explained.name.clone(), commit, digest: explained.digest })
}
