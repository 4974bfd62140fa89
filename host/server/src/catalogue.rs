//! What is served under which name, at one moment. A request takes its model out of it once and keeps it, whatever is served
//! under the name afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use freehold_core::digest::Digest;
use freehold_engine::{Adapter, ChatTokenizer, Learned};
use freehold_workflow::serving::{Base, Folders, Offer, OfferGround, Offered, OfferedBase, Refused, ServeSettings};
use freehold_workflow::{Home, WorkflowError};
use jiff::Timestamp;

use crate::lane::{Lane, LaneLimits};
use crate::metrics::Metrics;

/// A model that is ready to answer.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) adapter: Option<Arc<Adapter>>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) tokenizer: Arc<ChatTokenizer>,
    /// Longest prompt and answer together, in tokens.
    pub(crate) positions: usize,
    /// How many tokens the model knows.
    pub(crate) vocabulary: usize,
}

/// A model under a name.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) adapter: Digest,
    pub(crate) run: String,
    pub(crate) since: Timestamp,
    pub(crate) base: OfferedBase,
    pub(crate) ready: Arc<Ready>,
}

/// All that is served.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) models: BTreeMap<String, Served>,
    pub(crate) refused: Vec<Refused>,
    /// Whether something could not be loaded that may be there later.
    pub(crate) lacks: bool,
    /// What it rests on.
    pub(crate) ground: OfferGround,
    /// Why nothing is served, if that is so.
    pub(crate) problem: Option<String>,
}

impl Catalogue {
    /// A catalogue of nothing.
    pub(crate) fn none(problem: String) -> Self {
        Self { problem: Some(problem), ..Self::default() }
    }

    /// Why a model is not served that is asked for.
    pub(crate) fn refusal(&self, model: &str) -> Option<&str> {
        let refused = self.refused.iter().find(|refused| refused.model == model);
        refused.map(|refused| refused.reason.as_str()).or(self.problem.as_deref())
    }

    /// How many names serve something else than before, or nothing any more.
    pub(crate) fn swaps_from(&self, before: &Self) -> u64 {
        let swapped = before.models.iter().filter(|(name, old)| {
            self.models.get(*name).is_none_or(|new| (new.adapter, &new.run) != (old.adapter, &old.run))
        });
        swapped.count() as u64
    }
}

/// A base model, and the thread of what adapters of it answer.
#[derive(Debug)]
struct LoadedBase {
    base: Base,
    lane: Arc<Lane>,
}

/// Loads what is offered. What is served already is not loaded again; what nobody serves any more is forgotten, and goes with
/// its last answer.
pub(crate) struct Loader {
    home: Home,
    folders: Folders,
    limits: LaneLimits,
    /// How many adapters are served that no alias names any more.
    former: usize,
    metrics: Arc<Metrics>,
    bases: BTreeMap<Digest, Arc<LoadedBase>>,
    /// By adapter and base model.
    ready: BTreeMap<(Digest, Digest), Weak<Ready>>,
}

impl Loader {
    pub(crate) fn new(home: Home, folders: Folders, settings: &ServeSettings, metrics: Arc<Metrics>) -> Self {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let limits = LaneLimits {
            precision: settings.precision,
            rows: count(settings.rows_max),
            queue: count(settings.queue_max),
            past_bytes: settings.past_bytes_max,
        };
        let former = count(settings.former_max);
        Self { home, folders, limits, former, metrics, bases: BTreeMap::new(), ready: BTreeMap::new() }
    }

    /// Loads what is offered; what cannot be loaded is refused. Adapters that an alias named only once are served where their
    /// base model is there for others.
    pub(crate) fn load(&mut self, offer: Offer) -> Catalogue {
        let Offer { ground, models, mut refused, .. } = offer;
        let mut catalogue = Catalogue { ground, ..Catalogue::default() };
        let wanted = |model: &&Offered| model.current;
        let needed: Vec<Digest> = models.values().filter(wanted).map(|model| model.base.digest).collect();
        self.bases.retain(|digest, loaded| needed.contains(digest) && loaded.lane.is_alive());
        let mut models: Vec<(String, Offered)> = models.into_iter().collect();
        models.sort_by_key(|(_, offered)| (!offered.current, std::cmp::Reverse(offered.since)));
        let mut former = 0;
        for (name, offered) in models {
            former += usize::from(!offered.current);
            let ready = if former > self.former { Err(LoadError::Former) } else { self.ready(&offered) };
            match ready {
                Ok(ready) => {
                    let Offered { adapter, run, since, base, .. } = offered;
                    catalogue.models.insert(name, Served { adapter, run, since, base, ready });
                }
                Err(error) => {
                    catalogue.lacks |= !matches!(error, LoadError::Former);
                    let reason = error.to_string();
                    refused.push(Refused { model: name, run: offered.run, reason });
                }
            }
        }
        self.ready.retain(|_, ready| ready.strong_count() > 0);
        catalogue.refused = refused;
        catalogue
    }

    fn ready(&mut self, offered: &Offered) -> Result<Arc<Ready>, LoadError> {
        let key = (offered.adapter, offered.base.digest);
        let known = self.ready.get(&key).and_then(Weak::upgrade);
        if let Some(ready) = known.filter(|ready| ready.lane.is_alive()) {
            return Ok(ready);
        }
        let loaded = self.base(offered)?;
        let tokenizer = loaded.base.tokenizer.clone();
        let ready = match self.home.learned_of(&offered.adapter, &loaded.base.model)? {
            Learned::Adapter(adapter) => Ready {
                adapter: Some(Arc::new(adapter)),
                lane: loaded.lane.clone(),
                positions: loaded.base.model.max_positions(),
                vocabulary: loaded.base.model.vocabulary(),
                tokenizer,
            },
            // It has no weights in common with its base model, so that it has a thread of its own.
            Learned::Model(model) if offered.current => {
                let (positions, vocabulary) = (model.max_positions(), model.vocabulary());
                let lane = Lane::start((Arc::from(model), tokenizer.clone()), self.limits, self.metrics.clone())?;
                Ready { adapter: None, lane: Arc::new(lane), tokenizer, positions, vocabulary }
            }
            Learned::Model(_) => return Err(LoadError::Former),
        };
        let ready = Arc::new(ready);
        self.ready.insert(key, Arc::downgrade(&ready));
        Ok(ready)
    }

    fn base(&mut self, offered: &Offered) -> Result<Arc<LoadedBase>, LoadError> {
        let digest = offered.base.digest;
        if let Some(loaded) = self.bases.get(&digest) {
            return Ok(loaded.clone());
        }
        if !offered.current {
            return Err(LoadError::Former);
        }
        let base = self.home.load_base(&self.folders, &offered.base)?;
        let parts = (base.model.clone(), base.tokenizer.clone());
        let lane = Arc::new(Lane::start(parts, self.limits, self.metrics.clone())?);
        let loaded = Arc::new(LoadedBase { base, lane });
        self.bases.insert(digest, loaded.clone());
        Ok(loaded)
    }
}

/// A model cannot be loaded.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("no alias names it any more, and its base model is not in use, or newer ones take `serve.former_max`")]
    Former,
    #[error("the system gives no thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
}
