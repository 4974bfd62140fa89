//! Accepts connections and speaks HTTP/1.1 over them, within limits of number and time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::patience::Patience;
use crate::shared::Shared;

/// Bytes that the head of a request may have.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers that a request may have.
const HEADERS_MAX: usize = 64;
/// How long it is waited where the system has no handles for a further connection.
const BREATH: Duration = Duration::from_millis(100);

/// Serves until `end` says so; then those under way may finish within the time of grace. Gives how many did not.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shared: Arc<Shared>,
    mut end: watch::Receiver<bool>,
) -> usize {
    let most = usize::try_from(shared.settings.connections_max).unwrap_or(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // While all places are taken, the system keeps those who come.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            _ = end.changed() => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (router, shared, end) = (router.clone(), shared.clone(), end.clone());
                    connections.spawn(async move {
                        let _place = place;
                        shared.metrics.connections.fetch_add(1, Ordering::Relaxed);
                        speak(stream, router, &shared, end).await;
                        shared.metrics.connections.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                Err(error) => {
                    tracing::warn!("a connection cannot be accepted: {error}");
                    sleep(BREATH).await;
                }
            },
        }
    }
    drop(listener);
    let grace = Duration::from_secs(shared.settings.grace_seconds_max);
    let finished = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
    let left = connections.len();
    if finished.is_err() {
        connections.shutdown().await;
    }
    left
}

async fn speak(stream: TcpStream, router: Router, shared: &Shared, mut end: watch::Receiver<bool>) {
    let seconds = |seconds: u64| Duration::from_secs(seconds);
    // Tokens are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let stream = Patience::new(stream, seconds(shared.settings.stalled_seconds_max), shared.metrics.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(seconds(shared.settings.header_seconds_max))
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(end.wait_for(|end| *end).await) } => {
            // The request under way is the last of its connection.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
}
