//! What stops a chore: a text for whoever started it.

use std::fmt;

/// A chore failed.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Something could not be done to a file.
    pub(crate) fn file(action: &str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let text = format!("cannot {action} {}", path.display());
        move |error| Self(format!("{text}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
