//! The commands that must lose nothing, each with a project in which it can be given.

use std::collections::BTreeMap;

use freehold_tests::{Project, Recipe, head};
use serde_json::Value;

use crate::strace::Call;

/// A command, and what has to be so after it was given again.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    /// Makes the project from one in which the recipe can be run and nothing has to be compiled.
    pub(crate) prepare: fn(&Project),
    /// Which of its calls count; the others are those of another command.
    pub(crate) counts: fn(&Call) -> bool,
    /// Exit codes when nothing fails.
    pub(crate) whole: &'static [i32],
    /// Exit codes when one of its calls failed; 0 where it does without what the call was for.
    pub(crate) failed: &'static [i32],
    /// Exit codes of `audit verify` between a fault and the same command again.
    pub(crate) between: &'static [i32],
    /// Exit codes when it is given again after a fault.
    pub(crate) again: &'static [i32],
    /// Whether it writes.
    pub(crate) writes: bool,
    /// What of its result is the same every time.
    pub(crate) result: fn(&Value) -> BTreeMap<String, Value>,
}

fn all(_: &Call) -> bool {
    true
}

fn nothing(_: &Value) -> BTreeMap<String, Value> {
    BTreeMap::new()
}

/// What a run made.
fn made(report: &Value) -> BTreeMap<String, Value> {
    let parts = ["decision", "adapter", "weights", "alias"];
    parts.map(|part| (part.to_owned(), report[part].clone())).into()
}

fn whole(result: &Value) -> BTreeMap<String, Value> {
    [("all".to_owned(), result.clone())].into()
}

const RUN: &[&str] = &["run", "--threads", "1", "--json"];

fn run_once(project: &Project) {
    project.run(RUN).expect(0);
}

fn without_home(project: &Project) {
    std::fs::remove_dir_all(project.path().join("home")).unwrap();
}

fn cosigned(project: &Project) {
    use freehold_trust::{SecretKey, cosign_note};
    let key = SecretKey::generate().unwrap();
    project.write("witness.pem", &key.public().to_pem().unwrap());
    project.run(&["trust", "add", "--key", "witness.pem", "--witness", "w"]).expect(0);
    let note = project.run(&["audit", "checkpoint"]).expect(0).stdout;
    let note = cosign_note(note.as_bytes(), "w", &key, jiff::Timestamp::now()).unwrap();
    project.write_bytes("cosigned", &note);
    // From now on a home without it does not verify.
    project.run(&["audit", "witness", "cosigned"]).expect(0);
}

const WRITER: Subject = Subject {
    name: "",
    arguments: &[],
    prepare: |_| {},
    counts: all,
    whole: &[0],
    failed: &[0, 1],
    between: &[0],
    again: &[0],
    writes: true,
    result: nothing,
};

const READER: Subject = Subject { prepare: run_once, writes: false, result: whole, ..WRITER };

/// Every command that is held to it.
pub(crate) const SUBJECTS: [Subject; 15] = [
    Subject { name: "run", arguments: RUN, result: made, ..WRITER },
    // It is compared with what is in production, and takes its place.
    Subject { name: "run again", arguments: RUN, prepare: run_once, result: made, ..WRITER },
    Subject {
        name: "run that compiles",
        arguments: RUN,
        prepare: |project| std::fs::remove_dir_all(project.path().join("home/cache")).unwrap(),
        counts: |call| call.file.starts_with("home/cache"),
        result: made,
        ..WRITER
    },
    // What is wrong with a file is its finding.
    Subject { name: "audit verify", arguments: &["audit", "verify", "--json"], failed: &[0, 1, 4], ..READER },
    Subject { name: "audit list", arguments: &["audit", "list", "--json"], ..READER },
    Subject { name: "audit show", arguments: &["audit", "show", "desk-1", "--json"], ..READER },
    Subject { name: "audit checkpoint", arguments: &["audit", "checkpoint", "--json"], ..READER },
    Subject {
        name: "audit witness",
        arguments: &["audit", "witness", "cosigned", "--json"],
        prepare: cosigned,
        ..WRITER
    },
    Subject { name: "init", arguments: &["init", "--json"], prepare: without_home, ..WRITER },
    // What is there stays as it is.
    Subject { name: "init again", arguments: &["init", "--json"], result: whole, ..WRITER },
    // A key that is there is never made anew.
    Subject {
        name: "key new again",
        arguments: &["key", "new", "publisher", "--json"],
        whole: &[2],
        failed: &[1, 2],
        again: &[2],
        ..WRITER
    },
    // A key that was made is never made again.
    Subject { name: "key new", arguments: &["key", "new", "second", "--json"], again: &[0, 2], ..WRITER },
    Subject { name: "key list", arguments: &["key", "list", "--json"], ..READER },
    // A trust root that is signed and not in the ledger yet is found: it could also be the ledger that lost an entry.
    Subject { name: "trust renew", between: &[0, 4], arguments: &["trust", "renew", "--json"], ..WRITER },
    Subject { name: "trust show", arguments: &["trust", "show", "--json"], ..READER },
];

/// The smallest recipe that does all that a run can do to the disk: two checkpoints, two splits, a metric, policies of both
/// stages, an alias.
fn recipe() -> Recipe {
    let base = Recipe::default();
    let chat = base.transforms.rfind("[[transform]]").unwrap();
    Recipe {
        transforms: base.transforms[chat..].into(),
        adapter: "method = \"lora\"\nrank = 1\nalpha = 1".into(),
        train: "epochs = 2\ntokens_per_step = 256\nlearning_rate = 2e-3\nmax_length = 256\ncheckpoint_every = 1\n"
            .into(),
        policies: base.policies.replace("minimum_rows = 10", "minimum_rows = 1"),
        ..base
    }
}

/// A project in which the recipe was checked, so that its plugins are compiled, and never run.
pub(crate) fn ready() -> Project {
    let project = Project::new();
    project.write("train.jsonl", &head("tickets-eu.jsonl", 2));
    project.write("eval.jsonl", &head("heldout.jsonl", 1));
    project.write("freehold.toml", &recipe().to_string());
    project.run(&["check", "--threads", "1"]).expect(0);
    project
}
