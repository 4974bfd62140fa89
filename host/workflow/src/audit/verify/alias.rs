//! An alias moves once for a run, to the adapter of that run, from what the run was compared with.

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_core::verdict::Decision;

use super::{Books, Verification};
use crate::aliases::{self, AliasMove};
use crate::statements::{ALIAS_TYPE, read_phase};

impl Books<'_> {
    pub(super) fn verify_alias(
        &self,
        index: usize,
        (alias, adapter, run): (&Alias, &Digest, &str),
        found: &mut Verification,
    ) {
        let what = format!("ledger entry {} (alias {alias})", self.past.number(index));
        let statement = match self.recorded(index) {
            Ok(statement) => statement,
            Err(problem) => return found.found(what, problem),
        };
        found.statements += 1;
        let subject = statement.subject.first();
        let names_adapter =
            subject.is_some_and(|subject| subject.name == alias.to_string() && subject.sha256() == Some(*adapter));
        let moved: Option<AliasMove> = serde_json::from_value(statement.predicate).ok();
        let Some(moved) = moved.filter(|moved| moved.alias == *alias && moved.run == run) else {
            return found.found(what, "its statement says something else");
        };
        found.require(
            statement.predicate_type == ALIAS_TYPE && names_adapter,
            &what,
            "its statement says something else",
        );
        let before = &self.entries[..index];
        let previous = aliases::after(before).remove(&alias.to_string());
        found.require(moved.previous == previous, &what, "does not follow what the alias named before it");
        let again =
            |entry: &Entry| matches!(&entry.subject, Subject::Alias { alias: a, run: r, .. } if a == alias && r == run);
        found.require(!before.iter().any(again), &what, format!("moves the alias for {run} a second time"));
        self.verify_decided(&what, before, &moved, adapter, found);
        if let Err(error) = self.store.artifact(adapter) {
            found.found(what, error.to_string());
        }
    }

    /// The record that a move rests on is of its run, promotes this adapter under this alias, and was made when the alias
    /// still named what the run was compared with.
    fn verify_decided(
        &self,
        what: &str,
        before: &[Entry],
        moved: &AliasMove,
        adapter: &Digest,
        found: &mut Verification,
    ) {
        let statement_of = |wanted: Phase| {
            before.iter().find_map(|entry| match &entry.subject {
                Subject::Phase { run, phase, .. } if *run == moved.run && *phase == wanted => Some(entry.statement),
                _ => None,
            })
        };
        if statement_of(Phase::Record) != Some(moved.record) {
            return found
                .found(what, format!("rests on the record {}, which {} does not have", moved.record, moved.run));
        }
        // Statements that cannot be read are found with their run.
        let read = |digest: &Digest| read_phase(self.store, self.roots, digest).ok();
        if let Some(detail) = read(&moved.record).and_then(|record| crate::run::recorded(&record).ok()) {
            let promotes = detail.decision == Decision::Promoted
                && detail.adapter == Some(*adapter)
                && detail.alias.as_ref() == Some(&moved.alias);
            found.require(promotes, what, format!("the record of {} does not promote this adapter to it", moved.run));
        }
        let evaluated = statement_of(Phase::Evaluate).and_then(|digest| read(&digest));
        if let Some(detail) = evaluated.and_then(|record| crate::run::evaluated(&record).ok()) {
            let compared = detail.production.map(|production| production.adapter);
            let previous = moved.previous.as_ref().map(|state| state.adapter);
            found.require(compared == previous, what, "was compared with something else than the alias named");
        }
    }
}
