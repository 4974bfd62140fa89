//! What a training says of its steps while it goes on: a line each, and event files for TensorBoard.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use freehold_tests::{Project, Recipe};
use serde_json::Value;

const FOLDER: &str = "home/metrics/desk-1";
const LINES: &str = "home/metrics/desk-1/metrics.jsonl";

fn recipe(train: &str) -> Recipe {
    let usual = Recipe::default();
    Recipe { train: format!("{}\n{train}", usual.train), ..usual }
}

/// A training of dozens of steps, with a checkpoint after every third.
fn long() -> Recipe {
    let recipe = recipe("checkpoint_every = 3");
    Recipe { train: recipe.train.replace("epochs = 1", "epochs = 10"), ..recipe }
}

fn lines(project: &Project) -> Vec<Value> {
    let text = String::from_utf8(project.read(LINES)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Event files in the order in which TensorBoard reads them.
fn event_files(project: &Project) -> Vec<String> {
    let names = std::fs::read_dir(project.path().join(FOLDER)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("events.out.tfevents.")).collect();
    names.sort();
    names
}

/// The loss of every step, as the record has it.
fn recorded_losses(project: &Project) -> Vec<f32> {
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let outputs = shown["phases"][4]["outputs"].as_array().unwrap();
    let digest = outputs.iter().find(|output| output["name"] == "losses").unwrap()["digest"].as_str().unwrap();
    let blob = digest.replace(':', "/");
    serde_json::from_slice(&project.read(&format!("home/store/blobs/{blob}"))).unwrap()
}

/// CRC-32C bit by bit, masked as records have it.
fn masked(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The data of the records of a file, which may end in a part of one.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
    let mut records = Vec::new();
    while bytes.len() >= 12 {
        let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        assert_eq!(word(&bytes[8..]), masked(&bytes[..8]));
        let Some(rest) = bytes.get(length + 16..) else { break };
        let data = &bytes[12..12 + length];
        assert_eq!(word(&bytes[12 + length..]), masked(data));
        records.push(data);
        bytes = rest;
    }
    records
}

/// A field of a message: its bits, or its bytes.
enum Field<'a> {
    Bits(u64),
    Bytes(&'a [u8]),
}

fn number(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, Field::Bits(number(&mut bytes))));
                continue;
            }
            1 => 8,
            2 => usize::try_from(number(&mut bytes)).unwrap(),
            5 => 4,
            other => unreachable!("a field of type {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        bytes = rest;
        let bits = |value: &[u8]| value.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        fields.push((key >> 3, if key & 7 == 2 { Field::Bytes(value) } else { Field::Bits(bits(value)) }));
    }
    fields
}

/// Values by tag and step, as TensorBoard shows them of these files: where a session starts at a step, what came before it of
/// this step and later ones is forgotten.
fn scalars(files: &[Vec<u8>]) -> BTreeMap<String, BTreeMap<u64, f32>> {
    let mut scalars: BTreeMap<String, BTreeMap<u64, f32>> = BTreeMap::new();
    for file in files {
        for (index, record) in records(file).into_iter().enumerate() {
            let (mut step, mut time) = (0, 0.0);
            for (field, value) in fields(record) {
                match (field, value) {
                    (1, Field::Bits(bits)) => time = f64::from_bits(bits),
                    (2, Field::Bits(bits)) => step = bits,
                    (3, Field::Bytes(version)) => assert_eq!((index, version), (0, &b"brain.Event:2"[..])),
                    (5, Field::Bytes(summary)) => {
                        for (_, value) in fields(summary) {
                            let Field::Bytes(value) = value else { unreachable!() };
                            let [(1, Field::Bytes(tag)), (2, Field::Bits(bits))] = fields(value)[..] else {
                                unreachable!()
                            };
                            let tag = String::from_utf8(tag.to_vec()).unwrap();
                            let bits = u32::try_from(bits).unwrap();
                            let before = scalars.entry(tag).or_default().insert(step, f32::from_bits(bits));
                            assert_eq!(before, None, "step {step} twice");
                        }
                    }
                    (7, Field::Bytes(session)) => {
                        assert!(matches!(fields(session)[..], [(1, Field::Bits(1))]), "the session starts");
                        scalars.values_mut().for_each(|steps| drop(steps.split_off(&step)));
                    }
                    (field, _) => unreachable!("field {field}"),
                }
            }
            assert!(time > 1.7e9, "{time} is a time");
        }
    }
    scalars
}

fn shown_by_tensorboard(project: &Project) -> BTreeMap<String, BTreeMap<u64, f32>> {
    let files: Vec<_> = event_files(project).iter().map(|name| project.read(&format!("{FOLDER}/{name}"))).collect();
    scalars(&files)
}

/// Lines, events and the record say the same of every step.
#[track_caller]
fn assert_agree(project: &Project) -> Vec<Value> {
    let (lines, events) = (lines(project), shown_by_tensorboard(project));
    let steps: Vec<_> = lines.iter().map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, (1..=lines.len() as u64).collect::<Vec<_>>(), "each step once, in order");
    let losses: Vec<_> = lines.iter().map(|line| line["loss"].as_f64().unwrap() as f32).collect();
    assert_eq!(losses, recorded_losses(project));
    for (tag, key) in
        [("train/loss", "loss"), ("train/learning_rate", "learning_rate"), ("train/gradient_norm", "gradient_norm")]
    {
        let values = lines.iter().map(|line| (line["step"].as_u64().unwrap(), line[key].as_f64().unwrap() as f32));
        assert_eq!(events[tag], values.collect(), "{tag}");
    }
    assert_eq!(events["train/tokens_per_s"].len(), lines.len());
    assert!(events["train/tokens_per_s"].values().all(|rate| *rate > 0.0));
    lines
}

#[test]
fn a_training_leaves_what_it_said_of_each_step() {
    let project = Project::new();
    let stopping =
        recipe("checkpoint_every = 0\n[train.early_stopping]\nmetric = \"exact-match\"\nevery = 2\npatience = 9");
    let said = project.run_recipe(&stopping).expect(0).says(&["metrics of each step, in home/metrics/desk-1"]);
    assert_eq!(said.stderr, "", "nothing is drawn when stderr is no terminal");

    let lines = assert_agree(&project);
    let report = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json()["report"]["training"].clone();
    assert_eq!(lines.len() as u64, report["steps"].as_u64().unwrap());
    assert_eq!(lines.last().unwrap()["tokens"], report["tokens"]);
    assert_eq!(report["metrics_folder"], Value::Null, "no record speaks of it");
    let seconds: Vec<_> = lines.iter().map(|line| line["seconds"].as_f64().unwrap()).collect();
    assert!(seconds.is_sorted() && seconds[0] >= 0.0, "{seconds:?}");

    let measured: BTreeMap<u64, _> = lines
        .iter()
        .filter(|line| !line["measured"].is_null())
        .map(|line| (line["step"].as_u64().unwrap(), &line["measured"]))
        .collect();
    let due = (1..=lines.len() as u64).filter(|step| step % 2 == 0 || *step == lines.len() as u64);
    assert_eq!(measured.keys().copied().collect::<Vec<_>>(), due.collect::<Vec<_>>());
    let values = measured.iter().map(|(step, measured)| (*step, measured["value"].as_f64().unwrap() as f32));
    assert_eq!(shown_by_tensorboard(&project)["eval/exact-match"], values.collect());
    let mut best = f64::NEG_INFINITY;
    for measured in measured.values() {
        let value = measured["value"].as_f64().unwrap();
        assert_eq!((&measured["metric"], &measured["best"]), (&"exact-match".into(), &(value > best).into()));
        best = best.max(value);
    }

    // They are no evidence: without them everything verifies, and the same recipe gives the same.
    let weights = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json()["report"]["weights"].clone();
    std::fs::remove_dir_all(project.path().join("home/metrics")).unwrap();
    project.assert_intact();
    let again = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(again["weights"], weights);
    assert_eq!(again["training"]["metrics_folder"], "home/metrics/desk-2");
    assert!(project.path().join("home/metrics/desk-2/metrics.jsonl").is_file());
}

/// Starts a run and kills it when so many steps were made.
fn killed_after(project: &Project, steps: usize) {
    let mut child = project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (path, begun) = (project.path().join(LINES), Instant::now());
    while std::fs::read_to_string(&path).unwrap_or_default().lines().count() < steps {
        assert!(child.try_wait().unwrap().is_none(), "it ended before step {steps}");
        assert!(begun.elapsed() < Duration::from_secs(60), "it makes no steps");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The lines without when they were written, which no two processes have in common.
fn without_time(mut lines: Vec<Value>) -> Vec<Value> {
    lines.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove("seconds")));
    lines
}

/// Takes long because it trains for ten epochs twice, and four processes start from nothing.
#[test]
fn a_training_that_was_killed_says_each_step_once() {
    let project = Project::new();
    let whole = project.fork();
    whole.run_recipe(&long()).expect(0);
    let expected = without_time(assert_agree(&whole));
    assert!(expected.len() > 20, "{} steps", expected.len());
    assert_eq!(event_files(&whole).len(), 1);

    project.write("freehold.toml", &long().to_string());
    killed_after(&project, 8);
    // As a line is when the disk is full: cut.
    let mut file = std::fs::OpenOptions::new().append(true).open(project.path().join(LINES)).unwrap();
    std::io::Write::write_all(&mut file, b"{\"step\":99,\"loss\":1.").unwrap();
    killed_after(&project, 14);
    project.run(&["run"]).expect(0);
    assert_eq!(event_files(&project).len(), 3);
    assert_eq!(without_time(assert_agree(&project)), expected);
}

#[test]
fn without_a_place_for_its_metrics_a_training_does_not_begin() {
    let project = Project::new();
    project.write("home/metrics", "in the way");
    project.run_recipe(&Recipe::default()).expect(1).says(&["cannot create the folder `metrics`"]);
    project.run(&["audit", "verify"]).expect(0);
    std::fs::remove_file(project.path().join("home/metrics")).unwrap();
    std::fs::create_dir_all(project.path().join(LINES)).unwrap();
    project.run(&["run"]).expect(1).says(&["cannot open `metrics/desk-1/metrics.jsonl`"]);
    std::fs::remove_dir(project.path().join(LINES)).unwrap();
    project.run(&["run"]).expect(0).says(&["desk-1"]);
    assert_agree(&project);
}
