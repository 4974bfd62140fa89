//! A synthetic history: the statements of one real run again and again, each of another run with other files, signed with the
//! home's keys and entered into its ledger. Nothing is synced while it is made, which is not what is measured.

use std::collections::BTreeMap;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, PhaseRecord, Subject};
use freehold_trust::{ResourceDescriptor, SecretKey, Statement};
use freehold_workflow::Home;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::Result;
use crate::governance;

/// Runs that go into the ledger together.
const TOGETHER: u64 = 512;
/// Recipes, each with an alias that its promoted runs move.
const RECIPES: u64 = 20;
/// Every so many runs one is promoted, one uses a plugin that others do not, and one reads a file that others do not.
const PROMOTED: u64 = 4;
const RARE_PLUGIN: u64 = 100;
const RARE_FILE: u64 = 1000;
/// The version that the rare plugin has.
pub(crate) const RARE_VERSION: &str = "0.9.0-rare";
/// An adapter and a file of the history.
pub(crate) fn adapter(run: u64) -> Digest {
    Digest::of(format!("adapter {run}").as_bytes())
}
pub(crate) fn file(run: u64) -> Digest {
    Digest::of(format!("file {}", run / RARE_FILE).as_bytes())
}

/// What every run of the history looks like.
struct Pattern {
    phases: Vec<PhaseRecord>,
    /// The digests of the first run that have to be other ones.
    adapter: String,
    data: String,
}

/// A run's statements, in the order of their phases.
type Signed = Vec<(Entry, Vec<u8>)>;

fn pattern(program: &Path, project: &Path) -> Result<Pattern> {
    let listed = governance::json(program, project, &["audit", "list", "--verdict", "promoted"])?;
    let run = listed[0]["run"].as_str().ok_or("the project has no promoted run")?;
    let shown = governance::json(program, project, &["audit", "show", run])?;
    let phases: Vec<PhaseRecord> = serde_json::from_value(shown["phases"].clone())?;
    let resolve = phases.first().ok_or("the run has no phases")?;
    let data = resolve.detail["lock"]["data"][0]["digest"].as_str().ok_or("the run has no data")?.to_owned();
    let adapter = shown["summary"]["adapter"].as_str().ok_or("the run has no adapter")?.to_owned();
    Ok(Pattern { phases, adapter, data })
}

pub(crate) fn name(run: u64) -> String {
    format!("desk{:02}-{}", run % RECIPES, run / RECIPES + 1)
}

impl Pattern {
    /// The statements of a run, signed.
    fn run(&self, run: u64, key: &SecretKey) -> Result<Signed> {
        let name = name(run);
        let later = SignedDuration::from_mins(i64::try_from(run)?);
        let mut signed = Signed::new();
        let mut statements = BTreeMap::new();
        for pattern in &self.phases {
            let text = serde_json::to_string(pattern)?
                .replace(&self.adapter, &adapter(run).to_string())
                .replace(&self.data, &file(run).to_string());
            let mut record: PhaseRecord = serde_json::from_str(&text)?;
            (record.run, record.key) = (name.clone(), Digest::of(name.as_bytes()));
            (record.started, record.finished) = (record.started + later, record.finished + later);
            self.vary(run, &mut record);
            for input in &mut record.inputs {
                if let Some(statement) = input.name.strip_prefix("statement/").and_then(|phase| statements.get(phase)) {
                    input.digest = *statement;
                }
            }
            let subject =
                record.outputs.iter().map(|output| ResourceDescriptor::new(&output.name, output.digest)).collect();
            let statement = Statement::new(subject, "urn:freehold:phase:v1", serde_json::to_value(&record)?);
            let bytes = statement.sign(key)?.to_bytes();
            let subject = Subject::Phase { run: name.clone(), key: record.key, phase: record.phase };
            statements.insert(record.phase.to_string(), Digest::of(&bytes));
            signed.push((Entry { subject, statement: Digest::of(&bytes), time: record.finished }, bytes));
        }
        if run.is_multiple_of(PROMOTED)
            && let Some((last, _)) = signed.last()
        {
            let alias = format!("desk{:02}@production", run % RECIPES).parse()?;
            let subject = Subject::Alias { alias, adapter: adapter(run), run: name };
            signed.push((Entry { subject, ..last.clone() }, Vec::new()));
        }
        Ok(signed)
    }

    fn vary(&self, run: u64, record: &mut PhaseRecord) {
        if record.phase == Phase::Resolve && run % RARE_PLUGIN == RARE_PLUGIN - 1 {
            let plugin = &mut record.detail["lock"]["plugin"][0];
            let known = format!("{}@{}", text(&plugin["name"]), text(&plugin["version"]));
            plugin["version"] = json!(RARE_VERSION);
            let named = format!("{}@{RARE_VERSION}", text(&plugin["name"]));
            let signer = record.detail["signers"][&known].clone();
            record.detail["signers"][&named] = signer;
        }
        if record.phase == Phase::Record && !run.is_multiple_of(PROMOTED) {
            record.detail["decision"] = json!("denied");
            record.detail["reason"] = json!("a policy at stage promote: synthetic");
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Adds so many runs to the home of a project.
pub(crate) fn fill(program: &Path, project: &Path, runs: u64) -> Result<()> {
    let pattern = pattern(program, project)?;
    let home = project.join("home");
    let key = |name: &str| -> Result<SecretKey> {
        Ok(SecretKey::from_pem(&std::fs::read_to_string(home.join(format!("keys/{name}.pem")))?)?)
    };
    let (recorder, log) = (key("recorder")?, key("log")?);
    let ledger = Home::open(Dir::open_ambient_dir(&home, ambient_authority())?, "home")?.ledger()?;
    let appender = ledger.appender(&log)?;
    let blobs = home.join("store/blobs/sha256");
    let mut first = 0;
    while first < runs {
        let end = runs.min(first + TOGETHER);
        let middle = first.midpoint(end);
        let make = |range: std::ops::Range<u64>| -> std::result::Result<Vec<Entry>, String> {
            let mut entries = Vec::new();
            for run in range {
                for (entry, bytes) in pattern.run(run, &recorder).map_err(|error| error.to_string())? {
                    if !bytes.is_empty() {
                        std::fs::write(blobs.join(entry.statement.hex()), bytes).map_err(|error| error.to_string())?;
                    }
                    entries.push(entry);
                }
            }
            Ok(entries)
        };
        let (one, other) = std::thread::scope(|scope| {
            let other = scope.spawn(|| make(middle..end));
            (make(first..middle), other.join().unwrap_or_else(|_| Err("a thread panicked".into())))
        });
        appender.append_all(&[one?, other?].concat())?;
        first = end;
    }
    Ok(())
}
