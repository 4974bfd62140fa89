//! A run: its phases in order, each as its statement says, and a decision that rests on them.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::labels::Labels;
use freehold_core::recipe::Recipe;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_core::verdict::{Decision, Stage};
use freehold_store::Blobs;
use freehold_trust::{ResourceDescriptor, Statement};

use super::{Books, Verification};
use crate::labels::{LABELS, labels_of};
use crate::run::{ADAPTER, PROVENANCE, PROVENANCE_TYPE, RecordDetail};
use crate::statements::read_phase;

type Records = BTreeMap<Phase, (Digest, PhaseRecord)>;

fn output<'a>(record: &'a PhaseRecord, name: &'a str) -> impl Iterator<Item = Digest> + 'a {
    record.outputs.iter().filter(move |output| output.name == name).map(|output| output.digest)
}

/// The files of the adapter that a run trained, by name.
fn adapter_files(trained: &PhaseRecord) -> BTreeMap<&str, Digest> {
    let outputs = trained.outputs.iter();
    outputs.filter_map(|output| Some((output.name.strip_prefix(ADAPTER)?.strip_prefix('/')?, output.digest))).collect()
}

/// The recipe that phase resolve kept.
fn recipe_of(resolved: &PhaseRecord, store: &dyn Blobs) -> Option<Recipe> {
    serde_json::from_slice(&store.get(&output(resolved, "recipe").next()?).ok()?).ok()
}

impl Books<'_> {
    pub(super) fn verify_run(&self, run: &str, found: &mut Verification) {
        let mut records = Records::new();
        let mut last: Option<Phase> = None;
        let Some(entries) = found.check(run, self.past.phase_entries(run)) else { return };
        for (number, phase, entry) in entries {
            let what = format!("{run}, phase {phase}");
            let in_order = last.is_none_or(|last| last < phase) && (last.is_some() || phase == Phase::Resolve);
            found.require(in_order, &what, "is out of order in the ledger");
            last = Some(phase);
            let read = read_phase(self.store, self.roots, &entry.statement);
            let Some(record) = found.check(&what, read) else { continue };
            found.statements += 1;
            self.verify_phase(&what, number, &entry, &record, found);
            records.insert(phase, (entry.statement, record));
        }
        if let (Some((_, resolved)), Some((_, trained))) = (records.get(&Phase::Resolve), records.get(&Phase::Train)) {
            self.verify_labels(resolved, trained, found);
        }
        if let Some((_, record)) = records.get(&Phase::Record) {
            self.verify_decision(&records, record, found);
        }
    }

    /// A statement says what its entry says, and everything that it says is kept is there.
    fn verify_phase(&self, what: &str, number: u64, entry: &Entry, record: &PhaseRecord, found: &mut Verification) {
        let subject = Subject::Phase { run: record.run.clone(), key: record.key, phase: record.phase };
        found.require(entry.subject == subject, what, "its statement says something else than its ledger entry");
        let version = record.trust_root;
        let known = self.has_root_before(version, number);
        found.require(known, what, format!("names the trust root {version}, which the ledger does not have before it"));
        for material in record.inputs.iter().chain(&record.outputs).filter(|material| material.kept) {
            if !self.may_be_left_out(&material.name)
                && let Some(problem) = self.absent(&material.digest)
            {
                found.found(what, format!("`{}` ({}) {problem}", material.name, material.digest));
            }
        }
    }

    /// The record names the statements of all phases before it and the adapter that was trained; a promoted run had every
    /// phase and passed every stage.
    fn verify_decision(&self, records: &Records, record: &PhaseRecord, found: &mut Verification) {
        let what = format!("{}, phase record", record.run);
        for (phase, (statement, _)) in records.iter().filter(|(phase, _)| **phase != Phase::Record) {
            let name = format!("statement/{phase}");
            let rests = record.inputs.iter().any(|input| input.name == name && input.digest == *statement);
            found.require(rests, &what, format!("does not rest on the statement of phase {phase}"));
        }
        let trained = records.get(&Phase::Train).map(|(_, record)| record);
        self.verify_provenance(record, trained, found);
        let Some(detail) = found.check(&what, crate::run::recorded(record)) else { return };
        self.verify_asked(&what, records, &detail, found);
        let adapter = trained.and_then(|trained| output(trained, ADAPTER).next());
        found.require(detail.adapter == adapter, &what, "names another adapter than phase train made");
        if detail.decision == Decision::Denied {
            return;
        }
        for phase in Phase::ALL.into_iter().filter(|phase| !records.contains_key(phase)) {
            found.found(&what, format!("is promoted without phase {phase}"));
        }
        for (phase, stage) in [(Phase::Admit, Stage::Admit), (Phase::Promote, Stage::Promote)] {
            let passed = records.get(&phase).is_none_or(|(_, judged)| crate::run::passed(stage, judged));
            found.require(passed, &what, format!("is promoted though stage {phase} was not passed"));
        }
    }

    /// The alias and the approvals of the record are those of the recipe.
    fn verify_asked(&self, what: &str, records: &Records, detail: &RecordDetail, found: &mut Verification) {
        let Some((_, resolved)) = records.get(&Phase::Resolve) else { return };
        let Some(recipe) = recipe_of(resolved, self.store) else {
            return found.found(what, "its recipe cannot be read");
        };
        let promote = recipe.promote.as_ref();
        let needed = promote.and_then(|promote| promote.approvals).map(|approvals| approvals.needed);
        let same = detail.alias.as_ref() == promote.map(|promote| &promote.alias) && detail.approvals_needed == needed;
        found.require(same, what, "asks for another alias or for other approvals than its recipe");
    }

    /// What was made has the labels of all that it was made of, in the record and in its manifest. Those of earlier versions have
    /// none.
    fn verify_labels(&self, resolved: &PhaseRecord, trained: &PhaseRecord, found: &mut Verification) {
        let what = format!("{}, phase train", trained.run);
        let Some(detail) = found.check(&what, crate::run::trained(trained)) else { return };
        let kept = output(trained, ADAPTER).next().and_then(|manifest| self.store.artifact(&manifest).ok());
        let written = kept.as_ref().and_then(|kept| kept.annotations.get(LABELS));
        let written = written.map(|labels| serde_json::from_str::<Labels>(labels));
        let mut of_recipe = recipe_of(resolved, self.store).map(|recipe| Labels::of(&recipe));
        if let (Some(labels), Some(start)) = (&mut of_recipe, &detail.start) {
            // What is not there is found elsewhere.
            labels_of(self.store, &start.adapter).into_iter().for_each(|more| labels.add(more));
        }
        let holds = match (&detail.labels, written) {
            (None, None) => true,
            (Some(recorded), Some(Ok(written))) => {
                *recorded == written && of_recipe.is_some_and(|labels| recorded.covers(&labels))
            }
            _ => false,
        };
        found.require(holds, &what, "its adapter has other labels than what it was made of");
    }

    /// What was trained has one provenance, signed by a recorder, about the files of the adapter and nothing else.
    fn verify_provenance(&self, record: &PhaseRecord, trained: Option<&PhaseRecord>, found: &mut Verification) {
        let what = format!("{}, phase record", record.run);
        let digests: Vec<Digest> = output(record, PROVENANCE).collect();
        let (Some(trained), [digest]) = (trained, digests.as_slice()) else {
            let holds = trained.is_none() && digests.is_empty();
            return found.require(holds, &what, format!("has {} provenances; an adapter has one", digests.len()));
        };
        let what = format!("provenance {digest}");
        let named = |_: &Statement| Some((record.trust_root, record.finished));
        let read = self.store.get(digest).map_err(|error| error.to_string());
        let read =
            read.and_then(|bytes| Statement::recorded(&bytes, self.roots, named).map_err(|error| error.to_string()));
        let statement = match read {
            Ok(statement) => statement,
            Err(problem) => return found.found(what, problem),
        };
        found.statements += 1;
        let run = &statement.predicate["runDetails"]["metadata"]["invocationId"];
        let of_run = statement.predicate_type == PROVENANCE_TYPE && run.as_str() == Some(&record.run);
        found.require(of_run, &what, format!("is not the provenance of {}", record.run));
        let named = |subject: &ResourceDescriptor| Some((subject.name.clone(), subject.sha256()?));
        let subjects: Option<BTreeMap<String, Digest>> = statement.subject.iter().map(named).collect();
        let files = adapter_files(trained);
        let same = subjects.is_some_and(|subjects| {
            subjects.len() == statement.subject.len()
                && subjects.iter().map(|(name, digest)| (name.as_str(), *digest)).eq(files.clone())
        });
        found.require(same, &what, "is about other files than those that phase train made");
        let kept = output(trained, ADAPTER).next().and_then(|manifest| self.store.artifact(&manifest).ok());
        let same = kept.is_some_and(|kept| {
            let kept: BTreeMap<_, _> = kept.files.iter().map(|(name, digest)| (name.as_str(), *digest)).collect();
            kept == files
        });
        found.require(same, &format!("{}, phase train", record.run), "its adapter has other files than it says");
    }
}
