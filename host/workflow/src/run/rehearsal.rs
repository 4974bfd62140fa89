//! Phases that are carried out and not recorded. What they keep goes to a store of their own, which is removed; no key is
//! opened, so that nothing can be signed.

use freehold_core::digest::Digest;
use freehold_core::record::{Phase, PhaseRecord};
use freehold_files::{FileError, Lock};
use freehold_store::Store;

use super::journal::{Carrier, Done, PhaseOutput, Work};
use crate::observe::{Event, Observer};
use crate::{Home, WorkflowError};

/// A store for as long as it is needed. What a killed process left is removed by the next that takes the same folder.
pub(super) struct Scratch<'h> {
    home: &'h Home,
    folder: &'static str,
    _lock: Lock,
}

impl<'h> Scratch<'h> {
    /// Makes the store in a folder of the home, and holds the lock of the same name.
    pub(super) fn make(home: &'h Home, folder: &'static str) -> Result<(Self, Store), WorkflowError> {
        let scratch = Self { home, folder, _lock: home.lock(folder)? };
        scratch.remove()?;
        freehold_files::make_folder(&home.dir, folder)?;
        let store = Store::open(home.folder(folder)?)?;
        Ok((scratch, store))
    }

    fn remove(&self) -> Result<(), WorkflowError> {
        match self.home.dir.remove_dir_all(self.folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::Io { action: "remove the folder", path: self.folder.into(), source }.into())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!("{error}");
        }
    }
}

/// The phases of a run that are carried out and not recorded.
pub(super) struct Rehearsal<'a> {
    carrier: Carrier<'a>,
    done: Done,
    observer: &'a mut dyn Observer,
}

impl<'a> Rehearsal<'a> {
    /// Nothing is done yet.
    pub(super) fn new(carrier: Carrier<'a>, observer: &'a mut dyn Observer) -> Self {
        Self { carrier, done: Done::new(), observer }
    }

    /// Carries out a phase.
    pub(super) fn phase(
        &mut self,
        phase: Phase,
        work: impl FnOnce(&mut Work<'_>) -> Result<PhaseOutput, WorkflowError>,
    ) -> Result<PhaseRecord, WorkflowError> {
        let record = self.carrier.carry_out(phase, &self.done, &mut *self.observer, work)?;
        // There is no statement, hence no digest of one.
        self.done.insert(phase, (Digest::of(b""), record.clone()));
        self.observer.observe(Event::PhaseFinished { phase, earlier: false });
        Ok(record)
    }
}
