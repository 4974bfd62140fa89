//! Follows the home while a server runs: moves of aliases, revocations, API keys. An error takes away what it is about.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use freehold_workflow::Home;
use freehold_workflow::serving::{ApiKeys, Offer};
use jiff::Timestamp;

use crate::catalogue::{Catalogue, Loader, Served};
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

/// Looks after what is served.
pub(crate) struct Keeper {
    home: Home,
    loader: Loader,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    expires: Timestamp,
    tried: Instant,
}

/// Something that is looked at again and again, in a thread of its own, until this is dropped.
pub(crate) struct Keeping {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Looks after who is let in, beside what is served: loading a large model holds up no revocation.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn keep_keys(home: Home, current: Arc<Current>) -> std::io::Result<Keeping> {
    Keeping::start("keys", move || {
        let keys = match home.api_keys() {
            Ok(keys) => Some(Arc::new(keys)),
            Err(error) => {
                tracing::error!("nobody is let in: {error}");
                None
            }
        };
        *current.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    })
}

impl Keeper {
    pub(crate) fn new(home: Home, loader: Loader, current: Arc<Current>, metrics: Arc<Metrics>) -> Self {
        Self { home, loader, current, metrics, expires: Timestamp::MAX, tried: Instant::now() }
    }

    /// Verifies and loads what is offered, and serves it from now on.
    pub(crate) fn renew(&mut self) {
        self.tried = Instant::now();
        let before = self.current.catalogue();
        let catalogue = match self.home.offer() {
            Ok(offer) => {
                self.expires = offer.expires;
                self.take_away(&offer);
                self.loader.load(offer)
            }
            Err(error) => Catalogue::none(error.to_string()),
        };
        self.serve(&before, catalogue);
    }

    /// What may not be served any more goes at once, and does not wait for what is to be loaded.
    fn take_away(&self, offer: &Offer) {
        let before = self.current.catalogue();
        let is_refused = |(name, served): &(&String, &Served)| {
            offer.refused.iter().any(|refused| refused.model == **name && refused.run == served.run)
        };
        if !before.models.iter().any(|model| is_refused(&model)) {
            return;
        }
        let models = before.models.iter().filter(|model| !is_refused(model));
        let models = models.map(|(name, served)| (name.clone(), served.clone())).collect();
        self.publish(Catalogue { models, refused: offer.refused.clone(), ..Catalogue::default() });
    }

    fn publish(&self, catalogue: Catalogue) {
        let models = i64::try_from(catalogue.models.len()).unwrap_or(i64::MAX);
        self.metrics.models.store(models, Ordering::Relaxed);
        *self.current.catalogue.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
    }

    fn serve(&self, before: &Catalogue, catalogue: Catalogue) {
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
        self.metrics.swaps.fetch_add(catalogue.swaps_from(before), Ordering::Relaxed);
        self.publish(catalogue);
    }

    /// Looks at the home once.
    fn look(&mut self) {
        let catalogue = self.current.catalogue();
        let waited = self.tried.elapsed();
        let changed = || {
            let ground = self.home.offer_ground().ok();
            // One that cannot be read is read again with all that is in it, which says what is wrong.
            ground.as_ref() != Some(&catalogue.ground) || Timestamp::now() >= self.expires
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
        Keeping::start("keeper", move || self.look())
    }
}

impl Keeping {
    fn start(name: &str, mut look: impl FnMut() + Send + 'static) -> std::io::Result<Self> {
        let (end, ended): (Sender<()>, Receiver<()>) = channel();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                look();
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
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
