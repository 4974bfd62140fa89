//! An alias moves once for the promotion of a run, to the adapter of that run, from what the run was compared with, when enough have
//! approved; and back to it as often as somebody says so.

use std::collections::{BTreeMap, BTreeSet};

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::{Entry, Phase};
use freehold_core::verdict::Decision;

use super::{Books, Verification};
use crate::aliases::{AliasMove, AliasState};
use crate::audit::approvals::{approvals_under, counting, needed};
use crate::audit::root_for;
use crate::promote::may_follow;
use crate::statements::{ALIAS_TYPE, read_phase};

/// What aliases named, as one entry after the other moves them.
#[derive(Default)]
pub(super) struct Named<'e> {
    now: BTreeMap<&'e Alias, AliasState>,
    ever: BTreeSet<(&'e Alias, &'e str)>,
}

/// How things stood before a move.
pub(super) struct Before {
    /// What the alias named.
    previous: Option<AliasState>,
    /// Whether it had moved for this run already.
    moved: bool,
}

impl<'e> Named<'e> {
    /// Notes a move; gives how things stood before it.
    pub(super) fn moved(&mut self, alias: &'e Alias, adapter: &Digest, run: &'e str) -> Before {
        let previous = self.now.insert(alias, AliasState { adapter: *adapter, run: run.into() });
        Before { previous, moved: !self.ever.insert((alias, run)) }
    }
}

impl Books<'_> {
    pub(super) fn verify_alias(
        &self,
        (number, entry): (u64, &Entry),
        (alias, adapter, run): (&Alias, &Digest, &str),
        before: &Before,
        found: &mut Verification,
    ) {
        let what = format!("ledger entry {number} (alias {alias})");
        let statement = match self.recorded(number, entry) {
            Ok(statement) => statement,
            Err(problem) => return found.found(what, problem),
        };
        found.statements += 1;
        let subject = statement.subject.first();
        let names_adapter =
            subject.is_some_and(|subject| subject.name == alias.to_string() && subject.sha256() == Some(*adapter));
        let moved: Option<AliasMove> = serde_json::from_value(statement.predicate).ok();
        let Some(moved) = moved.filter(|moved| moved.alias == *alias && moved.run == run) else {
            return found.found(what, "its statement says something else");
        };
        found.require(
            statement.predicate_type == ALIAS_TYPE && names_adapter,
            &what,
            "its statement says something else",
        );
        found.require(moved.previous == before.previous, &what, "does not follow what the alias named before it");
        match moved.rollback {
            true => found.require(before.moved, &what, format!("goes back to {run}, which the alias never named")),
            false => found.require(!before.moved, &what, format!("moves the alias for {run} a second time")),
        }
        self.verify_decided(&what, number, &moved, adapter, found);
        if let Err(error) = self.store.artifact(adapter) {
            found.found(what, error.to_string());
        }
    }

    /// The record that a move rests on is of its run, promotes this adapter under this alias, and was made when the alias
    /// still named what the run was compared with.
    fn verify_decided(&self, what: &str, number: u64, moved: &AliasMove, adapter: &Digest, found: &mut Verification) {
        let phases = self.past.phase_entries(&moved.run).unwrap_or_default();
        let statement_of = |wanted: Phase| {
            let mut before = phases.iter().filter(|(place, ..)| *place < number);
            before.find_map(|(_, phase, entry)| (*phase == wanted).then_some(entry.statement))
        };
        if statement_of(Phase::Record) != Some(moved.record) {
            return found
                .found(what, format!("rests on the record {}, which {} does not have", moved.record, moved.run));
        }
        let (mut own, mut asked) = (true, None);
        // Statements that cannot be read are found with their run.
        let read = |digest: &Digest| read_phase(self.store, self.roots, digest).ok();
        if let Some(detail) = read(&moved.record).and_then(|record| crate::run::recorded(&record).ok()) {
            let promotes = detail.decision == Decision::Promoted && detail.adapter == Some(*adapter);
            found.require(promotes, what, format!("the record of {} does not promote this adapter to it", moved.run));
            own = detail.alias.as_ref() == Some(&moved.alias);
            asked = detail.approvals_needed;
        }
        // What goes back was compared with what the alias named, and approved, when it was promoted.
        if moved.rollback {
            return found.require(moved.approvals.is_empty(), what, "goes back and names approvals");
        }
        let evaluated = statement_of(Phase::Evaluate).and_then(|digest| read(&digest));
        if let Some(detail) = evaluated.and_then(|record| crate::run::evaluated(&record).ok()) {
            let compared = detail.production.map(|production| production.adapter);
            let previous = moved.previous.as_ref().map(|state| state.adapter);
            let may = may_follow(own, previous.as_ref(), compared.as_ref());
            found.require(may, what, "was compared with something else than the alias named");
        }
        self.verify_approvals(what, number, moved, asked, found);
    }

    /// A move rests on approvals that the ledger has before it, which counted under the trust root that it names, and on as many
    /// as the recipe and that trust root ask for.
    fn verify_approvals(
        &self,
        what: &str,
        number: u64,
        moved: &AliasMove,
        asked: Option<usize>,
        found: &mut Verification,
    ) {
        let root = root_for(self.roots, moved.trust_root);
        let given = match moved.approvals.is_empty() {
            true => Vec::new(),
            false => match approvals_under(self.past, &moved.run, root, number) {
                Ok(given) => given,
                Err(error) => return found.found(what, error.to_string()),
            },
        };
        let counting: BTreeSet<&Digest> = counting(&given, true).into_iter().map(|it| &it.statement).collect();
        let named: BTreeSet<&Digest> = moved.approvals.iter().collect();
        for other in named.difference(&counting) {
            found.found(what, format!("rests on {other}, which is no approval of {} that counts", moved.run));
        }
        let (counted, needed) = (named.intersection(&counting).count(), asked.map_or(0, |asked| needed(asked, root)));
        let problem = format!("rests on {counted} approvals, {needed} are needed");
        found.require(counted >= needed, what, problem);
    }
}
