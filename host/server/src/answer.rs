//! An answer on its way from the thread that generates it to the client. The thread never waits: what a slow client has not
//! taken yet is joined, so that no more is held than the answer itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use freehold_engine::Ending;
use tokio::sync::Notify;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The prompt or a setting is not possible.
    Refused(String),
    /// The model failed.
    Failed(String),
}

/// How an answer ended.
pub(crate) type End = Result<Ending, NoAnswer>;

#[derive(Debug, Default)]
struct State {
    text: String,
    tokens: u64,
    end: Option<End>,
    /// Nobody wants it any more.
    gone: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Text; perhaps none.
    pub(crate) text: String,
    /// Tokens of the answer so far.
    pub(crate) tokens: u64,
    /// How it ended, if it did.
    pub(crate) end: Option<End>,
}

/// The end of whom it is for. When it is dropped, nothing more is generated.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Shared>);

/// The end of who generates it. One that is dropped before the answer has an end fails it.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Shared>);

/// The two ends of a new answer.
pub(crate) fn answer() -> (Writer, Reader) {
    let shared = Arc::new(Shared::default());
    (Writer(shared.clone()), Reader(shared))
}

impl Writer {
    /// Adds text, which may be none, and counts tokens.
    pub(crate) fn add(&self, text: &str, tokens: u64) {
        let mut state = self.0.state();
        state.text.push_str(text);
        state.tokens += tokens;
        drop(state);
        if !text.is_empty() {
            self.0.changed.notify_one();
        }
    }

    /// Ends the answer.
    pub(crate) fn end(self, end: End) {
        self.0.state().end = Some(end);
    }

    /// Whether nobody wants it any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.state().gone
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.end.get_or_insert_with(|| Err(NoAnswer::Failed("the model has stopped".into())));
        drop(state);
        self.0.changed.notify_one();
    }
}

impl Reader {
    /// Waits for text or the end.
    pub(crate) async fn next(&mut self) -> Piece {
        loop {
            // Before the look: what changes in between is not missed.
            let changed = self.0.changed.notified();
            if let Some(piece) = self.take() {
                return piece;
            }
            changed.await;
        }
    }

    fn take(&self) -> Option<Piece> {
        let mut state = self.0.state();
        let ready = !state.text.is_empty() || state.end.is_some();
        ready.then(|| Piece { text: std::mem::take(&mut state.text), tokens: state.tokens, end: state.end.clone() })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.state().gone = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_taken_is_joined() {
        let (writer, mut reader) = answer();
        writer.add("", 1);
        writer.add("a", 1);
        writer.add("b", 2);
        assert_eq!(reader.next().await, Piece { text: "ab".into(), tokens: 4, end: None });
        let later = tokio::spawn(async move { (reader.next().await, reader.next().await) });
        tokio::task::yield_now().await;
        writer.add("c", 1);
        tokio::task::yield_now().await;
        writer.end(Ok(Ending::Stop));
        let (first, last) = later.await.unwrap();
        assert!(first.text == "c" && last.end == Some(Ok(Ending::Stop)), "{first:?} {last:?}");
    }

    #[tokio::test]
    async fn each_end_learns_that_the_other_is_gone() {
        let (writer, reader) = answer();
        assert!(!writer.is_gone());
        drop(reader);
        assert!(writer.is_gone());
        let (writer, mut reader) = answer();
        drop(writer);
        assert!(matches!(reader.next().await.end, Some(Err(NoAnswer::Failed(_)))));
    }
}
