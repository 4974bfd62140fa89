//! What a run used up is in its record, with how that is known, and policies can hold it against a budget.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use freehold_tests::{Project, Recipe};
use serde_json::{Value, json};

fn ask(project: &Project, arguments: &[&str]) -> Value {
    project.run(&[arguments, &["--json"]].concat()).expect(0).json()
}

/// A folder of counters as Linux shows them, of a machine with one package.
struct Counters(PathBuf);

/// The value after which the counter begins again, in microjoules.
const RANGE: u64 = 262_143_328_850;

impl Counters {
    fn of(project: &Project) -> Self {
        for (file, text) in [("name", "package-0\n"), ("energy_uj", "0\n"), ("max_energy_range_uj", "262143328850\n")] {
            project.write(&format!("powercap/intel-rapl:0/{file}"), text);
        }
        Self(project.path().join("powercap"))
    }

    fn table(&self) -> String {
        format!("[energy]\npowercap = \"{}\"\n", self.0.display())
    }

    /// A reader sees the value before or this one.
    fn set(&self, microjoules: u64) {
        let zone = self.0.join("intel-rapl:0");
        std::fs::write(zone.join("next"), format!("{microjoules}\n")).unwrap();
        std::fs::rename(zone.join("next"), zone.join("energy_uj")).unwrap();
    }
}

/// A recipe that has a checkpoint after every step.
fn with_checkpoints() -> Recipe {
    Recipe { train: format!("{}\ncheckpoint_every = 1\n", Recipe::default().train), ..Recipe::default() }
}

/// Waits until a training has a checkpoint with what was used until then.
fn until_checkpoint(project: &Project, run: &str) {
    let file = project.path().join("home/checkpoints").join(run).join("spent.json");
    let began = Instant::now();
    while !file.is_file() {
        assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint after a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn energy_is_counted_over_the_end_of_the_counter_and_over_a_kill() {
    let project = Project::new();
    let counters = Counters::of(&project);
    project.write("home/host.toml", &counters.table());
    // Ten steps and more, so that there is time to look at it.
    let train = format!("{}\ncheckpoint_every = 1\n", Recipe::default().train).replace("epochs = 1", "epochs = 60");
    project.write("freehold.toml", &Recipe { train, ..Recipe::default() }.to_string());
    counters.set(RANGE - 5_000_000);
    let mut killed = project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_checkpoint(&project, "desk-1");
    // 5 J to the end of the counter, and 7 J from its beginning.
    counters.set(7_000_000);
    // A checkpoint that was kept after that says so.
    let kept = || -> Option<f64> {
        let spent = std::fs::read(project.path().join("home/checkpoints/desk-1/spent.json")).ok()?;
        serde_json::from_slice::<Value>(&spent).ok()?["joules"].as_f64()
    };
    let began = Instant::now();
    while kept() != Some(12.0) {
        assert!(began.elapsed() < Duration::from_secs(60) && killed.try_wait().unwrap().is_none(), "{:?}", kept());
        std::thread::sleep(Duration::from_millis(2));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    // Whatever other processes use while none of ours is there is not ours.
    counters.set(900_000_000);
    let report = ask(&project, &["run"]);
    let train = &report["spent_by_phase"]["train"];
    assert_eq!((&train["joules"], &train["source"]), (&json!(12.0), &json!("measured")));
    assert_eq!((&report["spent"]["joules"], &report["spent"]["source"]), (&json!(12.0), &json!("measured")));
    // What it used between its last checkpoint and its end is not known.
    assert_eq!((&train["incomplete"], &report["spent"]["incomplete"]), (&json!(true), &json!(true)));
    assert_eq!(report["spent_by_phase"]["tokenise"]["incomplete"], false);
    assert_eq!(report["spent"]["train_tokens"], report["training"]["tokens"]);
    let seconds = |phase: &Value| phase["seconds"].as_f64().unwrap();
    assert!(seconds(&report["spent"]) >= seconds(train) && seconds(train) > 0.0, "{report}");
    project.assert_intact();
    drop(
        project
            .run(&["audit", "show", "desk-1"])
            .expect(0)
            .says(&["12.0 J, measured for the whole machine", "train 12.0 J"]),
    );
    assert_eq!(ask(&project, &["audit", "explain", "desk-1"])["spent"], report["spent"]);
    project.run(&["audit", "export", "desk-1", "--format", "html", "--out", "run.html"]).expect(0);
    let page = String::from_utf8(project.read("run.html")).unwrap();
    assert!(
        page.contains("12 J (measured)") || page.contains("12.0 J (measured)") || page.contains("12.000 J (measured)")
    );
    // Nothing of it is in what has to come again.
    assert_eq!(ask(&project, &["reproduce", "desk-1"])["same"], true);
}

#[test]
fn what_is_not_counted_is_an_estimate_or_unknown_and_a_budget_is_held() {
    let project = Project::new();
    project.sign("budget-gate");
    let nothing = format!("[energy]\npowercap = \"{}\"\n", project.path().join("models").display());
    let budget = |settings: &str| {
        let gate = "\n[[policy]]\nplugin = \"freehold/budget-gate\"\nversion = \"^1.0\"\nstage = \"promote\"\n";
        Recipe {
            policies: format!("{}{gate}settings = {{ {settings} }}\n", Recipe::default().policies),
            ..Recipe::default()
        }
    };
    let run = |code: i32, settings: &str| {
        project.write("freehold.toml", &budget(settings).to_string());
        project.run(&["run", "--json"]).expect(code).json()
    };
    let verdict = |report: &Value| report["policies"].as_array().unwrap().last().unwrap()["verdict"]["code"].clone();

    project.write("home/host.toml", &nothing);
    let unknown = run(3, "joules = 1e9");
    assert_eq!((&unknown["spent"]["joules"], &unknown["spent"]["source"]), (&Value::Null, &json!("unknown")));
    assert_eq!((&unknown["spent"]["cost"], verdict(&unknown)), (&Value::Null, json!("source-not-accepted")));
    drop(project.run(&["audit", "show", "desk-1"]).expect(0).says(&["energy unknown"]));

    project.write(
        "home/host.toml",
        &format!("{nothing}watts = 65\n[cost]\ncurrency = \"EUR\"\nper_kwh = 0.36\nper_hour = 3.6\n"),
    );
    let estimated = run(0, "joules = 1e9, seconds = 1e6, tokens = 1_000_000, cost = 100, currency = \"EUR\"");
    let spent = &estimated["spent"];
    let [joules, seconds] = ["joules", "seconds"].map(|key| spent[key].as_f64().unwrap());
    assert_eq!((&spent["source"], &spent["incomplete"]), (&json!("estimated"), &json!(false)));
    assert!((joules - 65.0 * seconds).abs() < 1e-6 * joules, "{spent}");
    // A millionth of 0.36 EUR a joule over 3.6, and a thousandth of 3.6 EUR a second.
    let cost = joules * 1e-7 + seconds * 1e-3;
    assert!(
        (spent["cost"]["amount"].as_f64().unwrap() - cost).abs() < 1e-9 && spent["cost"]["currency"] == "EUR",
        "{spent}"
    );
    assert_eq!(verdict(&estimated), "within-budget");
    drop(project.run(&["audit", "explain", "desk-2"]).expect(0).says(&["What it used up", "estimated", "EUR"]));
    // The same verdict comes again from the same evidence, however fast the machine is now.
    assert_eq!(ask(&project, &["audit", "replay", "desk-2"])["same"], true);

    for (settings, code) in [
        ("joules = 0.001", "over-budget"),
        ("seconds = 0.001", "over-budget"),
        ("joules = 1e9, sources = [\"measured\"]", "source-not-accepted"),
        ("cost = 100, currency = \"USD\"", "other-currency"),
    ] {
        assert_eq!(verdict(&run(3, settings)), code, "{settings}");
    }
    project.assert_intact();
}

#[test]
fn a_training_with_checkpoints_gives_the_same_adapter_whatever_is_counted() {
    let project = Project::new();
    let first = project.run_recipe(&with_checkpoints()).expect(0);
    drop(first);
    let counters = Counters::of(&project);
    project.write("home/host.toml", &counters.table());
    drop(project.run(&["run"]).expect(0));
    let [one, two] =
        ["desk-1", "desk-2"].map(|run| ask(&project, &["audit", "show", run])["report"]["adapter"].clone());
    assert_eq!(one, two);
}
