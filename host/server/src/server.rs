//! A server from its first verification to its last answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use freehold_core::digest::Digest;
use freehold_workflow::Home;
use freehold_workflow::serving::{Access, ApiKeys, Capture, Folders, Refused, ServeSettings};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::capture::{Capturing, Sink};
use crate::catalogue::Loader;
use crate::error::ServeError;
use crate::keeper::{Current, Keeper, Keeping, keep_keys};
use crate::metrics::Metrics;
use crate::shared::{Ids, Places, Shared};
use crate::{connection, routes};

/// A server that listens, and answers when it is run.
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    keeping: [Keeping; 2],
    capturing: Option<Capturing>,
    signals: [Signal; 2],
}

/// What a server serves when it begins.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether an API key is needed.
    pub keys: bool,
    /// Whether something is kept of what is said.
    pub captures: bool,
    /// The models, by name.
    pub models: Vec<ServedModel>,
    /// What is not served.
    pub refused: Vec<Refused>,
    /// Why nothing is served, if that is so.
    pub problem: Option<String>,
}

/// A model that is served.
#[derive(Debug, Clone, Serialize)]
pub struct ServedModel {
    /// Its name: an alias, or a digest.
    pub model: String,
    /// Its adapter.
    pub adapter: Digest,
    /// The run that made it.
    pub run: String,
}

/// Whether a server may listen there with these keys.
fn may_listen(address: SocketAddr, keys: &ApiKeys) -> Result<(), ServeError> {
    match keys.access(address.ip().is_loopback()) {
        Access::Nobody => Err(ServeError::Exposed(address)),
        Access::Keys | Access::ThisMachine => Ok(()),
    }
}

impl Server {
    /// Verifies and loads what the home offers, and listens. Base models and plugins are looked for below `folders`.
    ///
    /// # Errors
    /// Others than this machine could ask, and no key lets anybody in; the address cannot be listened on; the transforms of
    /// the capture cannot be had; the system gives no threads.
    pub fn start(home: Home, folders: Folders, settings: ServeSettings) -> Result<Self, ServeError> {
        let keys = home.api_keys()?;
        may_listen(settings.listen, &keys)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            // They tokenise prompts; more would take the processor from the models.
            .max_blocking_threads(2)
            .thread_name("serve")
            .enable_all()
            .build()
            .map_err(ServeError::system("start threads"))?;
        let metrics = Arc::new(Metrics::default());
        let (capture, capturing) = capture(&home, &folders, &settings, &metrics)?.unzip();
        let current = Arc::new(Current::new(keys));
        let loader = Loader::new(home.reopened()?, folders, &settings, metrics.clone());
        let (listener, signals) =
            runtime.block_on(async { Ok::<_, ServeError>((listen(settings.listen).await?, signals()?)) })?;
        let failed = |source| ServeError::Listen { address: settings.listen, source };
        let address = listener.local_addr().map_err(failed)?;
        let (keys_home, hooks_home) = (home.reopened()?, home.reopened()?);
        let mut keeper = Keeper::new(home, loader, current.clone(), metrics.clone());
        keeper.renew();
        let failed = ServeError::system("start a thread");
        let keeping = keeper.keep().and_then(|models| Ok([models, keep_keys(keys_home, current.clone())?]));
        let keeping = keeping.map_err(failed)?;
        let shared = Arc::new(Shared {
            home: Mutex::new(hooks_home),
            loopback: address.ip().is_loopback(),
            settings,
            current,
            metrics,
            places: Places::default(),
            ids: Ids::default(),
            capture,
            is_ending: AtomicBool::new(false),
        });
        Ok(Self { runtime, listener, address, shared, keeping, capturing, signals })
    }

    /// What is served.
    pub fn summary(&self) -> Summary {
        let catalogue = self.shared.current.catalogue();
        let models = catalogue.models.iter().map(|(name, served)| ServedModel {
            model: name.clone(),
            adapter: served.adapter,
            run: served.run.clone(),
        });
        let keys = self.shared.current.keys();
        Summary {
            address: self.address,
            keys: keys.is_none_or(|keys| keys.access(self.shared.loopback) != Access::ThisMachine),
            captures: self.shared.capture.is_some(),
            models: models.collect(),
            refused: catalogue.refused.clone(),
            problem: catalogue.problem.clone(),
        }
    }

    /// Answers requests until the process is told to end (SIGTERM, SIGINT); requests under way have the time of grace to
    /// finish, unless it is told again. Gives how many connections were cut off.
    pub fn run(self) -> usize {
        let Self { runtime, listener, shared, keeping, capturing, signals: [mut terminate, mut interrupt], .. } = self;
        let router = routes::router(shared.clone());
        let (end, ended) = watch::channel(false);
        let cut_off = runtime.block_on(async {
            let mut serving = std::pin::pin!(connection::serve(listener, router, shared.clone(), ended));
            loop {
                tokio::select! {
                    cut_off = serving.as_mut() => return cut_off,
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if shared.is_ending.swap(true, Ordering::Relaxed) {
                    return usize::try_from(shared.metrics.connections.load(Ordering::Relaxed)).unwrap_or(0);
                }
                tracing::info!("ending: requests under way may finish");
                let _ = end.send(true);
            }
        });
        drop(keeping);
        // With them the last requests go, and what is captured of them is with the thread that keeps it.
        runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        if let Some(sink) = &shared.capture {
            sink.close();
        }
        if let Some(capturing) = capturing {
            capturing.finish();
        }
        cut_off
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Before anything is served: a signal that comes early is not lost.
fn signals() -> Result<[Signal; 2], ServeError> {
    let of = |kind| signal(kind).map_err(ServeError::system("handle signals"));
    Ok([of(SignalKind::terminate())?, of(SignalKind::interrupt())?])
}

fn capture(
    home: &Home,
    folders: &Folders,
    settings: &ServeSettings,
    metrics: &Arc<Metrics>,
) -> Result<Option<(Sink, Capturing)>, ServeError> {
    let Some(wanted) = &settings.capture else { return Ok(None) };
    let capture = Capture::open(home, folders, wanted)?;
    let started = Sink::start(capture, wanted.sampling, metrics.clone());
    started.map(Some).map_err(ServeError::system("start a thread"))
}

#[cfg(test)]
mod tests {
    use freehold_workflow::serving::ApiKeyEntry;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn others_are_listened_to_only_where_a_key_lets_somebody_in() {
        let key = |revoked| ApiKeyEntry {
            name: "a".into(),
            sha256: Digest::of(b"key"),
            created: Timestamp::UNIX_EPOCH,
            revoked,
        };
        let (good, revoked) = (key(None), key(Some(Timestamp::UNIX_EPOCH)));
        for (address, keys, may) in [
            ("127.0.0.1:0", vec![], true),
            ("[::1]:8080", vec![], true),
            ("0.0.0.0:8080", vec![], false),
            ("[::]:8080", vec![], false),
            ("192.168.1.7:80", vec![], false),
            ("[::ffff:10.0.0.1]:80", vec![], false),
            ("0.0.0.0:8080", vec![revoked.clone()], false),
            ("0.0.0.0:8080", vec![revoked.clone(), good.clone()], true),
            ("192.168.1.7:80", vec![good], true),
            ("127.0.0.1:80", vec![revoked], true),
        ] {
            let found = may_listen(address.parse().unwrap(), &ApiKeys::new(keys.clone()));
            assert_eq!(found.is_ok(), may, "{address} {keys:?}");
        }
    }
}
