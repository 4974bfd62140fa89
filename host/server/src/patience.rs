//! A connection that is cut off when its client takes nothing for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::metrics::Metrics;

/// Bytes on their way to a client, and for how long they may wait to be taken.
pub(crate) struct Patience<S> {
    stream: S,
    stalled_max: Duration,
    /// Since bytes wait that nobody takes.
    stalled: Option<Pin<Box<Sleep>>>,
    metrics: Arc<Metrics>,
}

impl<S> Patience<S> {
    pub(crate) fn new(stream: S, stalled_max: Duration, metrics: Arc<Metrics>) -> Self {
        Self { stream, stalled_max, stalled: None, metrics }
    }

    /// Passes on what came of writing, unless it waits for too long.
    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stalled_max = self.stalled_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stalled_max)));
        ready!(stalled.as_mut().poll(context));
        self.metrics.cut_off.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn who_takes_nothing_is_cut_off_and_who_is_slow_is_not() {
        let metrics = Arc::new(Metrics::default());
        let patient = |stream| Patience::new(stream, Duration::from_millis(80), metrics.clone());
        let (near, mut far) = tokio::io::duplex(8);
        let slow = tokio::spawn(async move {
            let mut buffer = [0; 8];
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_millis(30)).await;
                far.read_exact(&mut buffer).await.unwrap();
            }
            far
        });
        let mut near = patient(near);
        near.write_all(&[7; 48]).await.unwrap();
        let _far = slow.await.unwrap();
        assert_eq!(metrics.cut_off.load(Ordering::Relaxed), 0);
        let cut = near.write_all(&[7; 16]).await.unwrap_err();
        assert_eq!((cut.kind(), metrics.cut_off.load(Ordering::Relaxed)), (io::ErrorKind::TimedOut, 1));
    }
}
