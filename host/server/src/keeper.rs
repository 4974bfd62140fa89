//! Follows the home while a server runs: moves of aliases, revocations, API keys. An error takes away what it is about.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use freehold_workflow::Home;
use freehold_workflow::serving::ApiKeys;
use jiff::Timestamp;

use crate::catalogue::{Catalogue, Loader};
use crate::metrics::Metrics;

/// How often the home is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often it is tried again to load what could not be.
const RETRY: Duration = Duration::from_secs(30);
/// How often it is tried again where nothing could be served.
const RETRY_ALL: Duration = Duration::from_secs(3);

/// What changes while a server runs.
#[derive(Debug)]
pub(crate) struct Current {
    catalogue: RwLock<Arc<Catalogue>>,
    /// `None` if they cannot be read: then nobody is let in.
    keys: RwLock<Option<Arc<ApiKeys>>>,
}

impl Current {
    pub(crate) fn new(keys: ApiKeys) -> Self {
        let nothing = Catalogue::none("the records were not read yet".into());
        Self { catalogue: RwLock::new(Arc::new(nothing)), keys: RwLock::new(Some(Arc::new(keys))) }
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn keys(&self) -> Option<Arc<ApiKeys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks after what is current.
pub(crate) struct Keeper {
    home: Home,
    loader: Loader,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    expires: Timestamp,
    tried: Instant,
}

/// A keeper at work in a thread of its own, until it is dropped.
pub(crate) struct Keeping {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(crate) fn new(home: Home, loader: Loader, current: Arc<Current>, metrics: Arc<Metrics>) -> Self {
        Self { home, loader, current, metrics, expires: Timestamp::MAX, tried: Instant::now() }
    }

    /// Verifies and loads what is offered, and serves it from now on.
    pub(crate) fn renew(&mut self) {
        self.tried = Instant::now();
        let catalogue = match self.home.offer() {
            Ok(offer) => {
                self.expires = offer.expires;
                self.loader.load(offer)
            }
            Err(error) => Catalogue::none(error.to_string()),
        };
        self.serve(catalogue);
    }

    fn serve(&self, catalogue: Catalogue) {
        let before = self.current.catalogue();
        if let Some(problem) = &catalogue.problem
            && before.problem.as_ref() != Some(problem)
        {
            tracing::error!("nothing is served: {problem}");
        }
        for refused in catalogue.refused.iter().filter(|refused| !before.refused.contains(refused)) {
            tracing::warn!("{} of {} is not served: {}", refused.model, refused.run, refused.reason);
        }
        for (name, served) in &catalogue.models {
            if before.models.get(name).is_none_or(|old| old.run != served.run) {
                tracing::info!("{name} is what {} made, {}", served.run, served.adapter);
            }
        }
        let swaps = catalogue.swaps_from(&before);
        self.metrics.swaps.fetch_add(swaps, std::sync::atomic::Ordering::Relaxed);
        let models = i64::try_from(catalogue.models.len()).unwrap_or(i64::MAX);
        self.metrics.models.store(models, std::sync::atomic::Ordering::Relaxed);
        *self.current.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
    }

    /// Looks at the home once.
    fn look(&mut self) {
        let keys = match self.home.api_keys() {
            Ok(keys) => Some(Arc::new(keys)),
            Err(error) => {
                tracing::error!("nobody is let in: {error}");
                None
            }
        };
        *self.current.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        let catalogue = self.current.catalogue();
        let waited = self.tried.elapsed();
        let changed = || {
            let entries = self.home.ledger_entries().ok();
            // One that cannot be read is read again with all that is in it, which says what is wrong.
            entries != Some(catalogue.entries) || Timestamp::now() >= self.expires
        };
        let due = match &catalogue.problem {
            Some(_) => waited >= RETRY_ALL,
            None => changed() || (catalogue.lacks && waited >= RETRY),
        };
        if due {
            self.renew();
        }
    }

    /// Goes on in a thread of its own.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn keep(mut self) -> std::io::Result<Keeping> {
        let (end, ended): (Sender<()>, Receiver<()>) = channel();
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                self.look();
            }
        })?;
        Ok(Keeping { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
