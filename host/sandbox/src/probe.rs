//! Whether a transform that says it treats each row for itself does so: what it makes of the first batch before and after the
//! second one has to be the same. One that keeps something between batches would give other rows on another number of threads.

use freehold_core::batch::{Batch, Outcome};

use crate::{Grants, Plugin, SandboxError};

/// What is known of the first batch of a stream.
#[derive(Default)]
pub(crate) struct Probe<'p> {
    /// Who is put to the test, until it was.
    suspect: Option<(&'p Plugin, Grants)>,
    first: Option<Batch>,
    /// What came of the first batch in the stream.
    before: Option<Outcome>,
    /// What came of it after the second one.
    after: Option<Outcome>,
}

impl<'p> Probe<'p> {
    /// Puts a plugin to the test.
    pub(crate) fn of(plugin: &'p Plugin, grants: &Grants) -> Self {
        Self { suspect: Some((plugin, grants.clone())), ..Self::default() }
    }

    /// The next batch of the stream.
    pub(crate) fn given(&mut self, batch: &Batch) -> Result<(), SandboxError> {
        let Some(first) = self.first.take() else {
            // Only the first is kept.
            self.first = self.suspect.is_some().then(|| batch.clone());
            return Ok(());
        };
        let Some((plugin, grants)) = self.suspect.take() else { return Ok(()) };
        let mut transform = match plugin.transform(grants) {
            // A host without a slot for it runs one instance, or few, and gives their rows.
            Err(SandboxError::Busy { .. }) => return Ok(()),
            other => other?,
        };
        transform.keep_quiet();
        transform.describe()?;
        transform.process(batch)?;
        self.after = Some(transform.process(&first)?);
        self.compare(plugin)
    }

    /// The outcome of the oldest batch.
    pub(crate) fn taken(&mut self, plugin: &Plugin, outcome: &Outcome) -> Result<(), SandboxError> {
        if self.before.is_none() && (self.suspect.is_some() || self.after.is_some()) {
            self.before = Some(outcome.clone());
        }
        self.compare(plugin)
    }

    fn compare(&mut self, plugin: &Plugin) -> Result<(), SandboxError> {
        if self.before.is_none() || self.after.is_none() {
            return Ok(());
        }
        match self.before.take() == self.after.take() {
            true => Ok(()),
            false => Err(SandboxError::RowDependence { plugin: plugin.label.to_string() }),
        }
    }
}
