//! Attacks by way of assets and of memory between calls, through the command: what a plugin was not granted, and a metric that
//! remembers what it was asked before.

use freehold_core::manifest::World;
use freehold_tests::{Outcome, Project, Recipe};
use serde_json::Value;

use crate::guest::{RESULT, TEXT, component, data, metric, policy, text};

/// Numbers that a metric returns for every row, or for every sum that it was handed.
const NUMBERS: u32 = 32_768;

/// Puts `$value` into `$count` places from `$at` on.
const FILL: &str = "(func $fill (param $at i32) (param $count i32) (param $value f64)
  (loop $next (if (local.get $count) (then
    (f64.store (local.get $at) (local.get $value))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (local.set $count (i32.sub (local.get $count) (i32.const 1)))
    (br $next)))))";

/// Signs a guest as `freehold/NAME` 1.0.0.
fn sign(project: &Project, name: &str, world: World, module: &str, capabilities: &str) {
    std::fs::write(project.path().join("guest.wasm"), component(world, module)).unwrap();
    let source = format!(
        "name = \"freehold/{name}\"\nversion = \"1.0.0\"\nworld = \"{world}\"\ndescription = \"An attack\"\ncapabilities = [{capabilities}]\n"
    );
    project.write("guest.toml", &source);
    project.run(&["plugin", "sign", "guest.wasm", "--source", "guest.toml", "--key", "publisher"]).expect(0);
}

/// `asset(NAME)` put at 512: whether there is one, where it lies, how long it is.
fn ask(name: &str) -> String {
    format!("(call $asset (i32.const {TEXT}) (i32.const {}) (i32.const 512))", name.len())
}

/// Allows, with what it got for a reason: `some` or `none`.
fn policy_that_asks(name: &str) -> String {
    let (none, some) = (TEXT + 64, TEXT + 68);
    let verdict = data(RESULT, &[0, 0, none, 4, none, 4, 0, 0]);
    let rest = format!("{verdict} {} {}", text(TEXT, name), text(none, "nonesome"));
    let told =
        format!("(if (i32.load8_u (i32.const 512)) (then (i32.store (i32.const {}) (i32.const {some}))))", RESULT + 16);
    policy(&format!("{} {told} (i32.const {RESULT})", ask(name)), &rest)
}

/// Its value is how many bytes it got.
fn metric_that_asks(name: &str) -> String {
    let statistics = format!(
        "(call $fill (i32.const {NUMBERS}) (local.get 1) (f64.const 1))
         (i32.store (i32.const {RESULT}) (i32.const 0)) (i32.store (i32.const {}) (i32.const {NUMBERS}))
         (i32.store (i32.const {}) (local.get 1)) (i32.const {RESULT})",
        RESULT + 4,
        RESULT + 8
    );
    let values = format!(
        "{} (if (i32.eqz (i32.load8_u (i32.const 512))) (then (i32.store (i32.const 520) (i32.const 0))))
         (call $fill (local.get 0) (local.get 1) (f64.convert_i32_u (i32.load (i32.const 520))))
         (i32.store (i32.const {RESULT}) (i32.const 0)) (i32.store (i32.const {}) (local.get 0))
         (i32.store (i32.const {}) (local.get 1)) (i32.const {RESULT})",
        ask(name),
        RESULT + 4,
        RESULT + 8
    );
    metric("(i32.const 16)", &statistics, &values, &format!("{FILL} {}", text(TEXT, name)))
}

/// Its statistics are how often it was asked for them, and its values a thousand more with each call.
fn metric_that_counts_calls() -> String {
    let statistics = format!(
        "(global.set $asked (f64.add (global.get $asked) (f64.const 1)))
         (call $fill (i32.const {NUMBERS}) (local.get 1) (global.get $asked))
         (i32.store (i32.const {RESULT}) (i32.const 0)) (i32.store (i32.const {}) (i32.const {NUMBERS}))
         (i32.store (i32.const {}) (local.get 1)) (i32.const {RESULT})",
        RESULT + 4,
        RESULT + 8
    );
    let values = format!(
        "(global.set $valued (f64.add (global.get $valued) (f64.const 1000)))
         (f64.store (i32.const {NUMBERS}) (f64.add (f64.load (local.get 0)) (global.get $valued)))
         (call $fill (local.get 0) (local.get 1) (f64.load (i32.const {NUMBERS})))
         (i32.store (i32.const {RESULT}) (i32.const 0)) (i32.store (i32.const {}) (local.get 0))
         (i32.store (i32.const {}) (local.get 1)) (i32.const {RESULT})",
        RESULT + 4,
        RESULT + 8
    );
    let state = "(global $asked (mut f64) (f64.const 0)) (global $valued (mut f64) (f64.const 0))";
    metric("(i32.const 16)", &statistics, &values, &format!("{FILL} {state}"))
}

fn reports<'a>(report: &'a Value, table: &str, name: &str) -> &'a Value {
    let all = report[table].as_array().unwrap();
    let named = |one: &&Value| one["metric"] == name || one["plugin"] == name;
    all.iter().find(named).unwrap_or_else(|| panic!("no {name} in {report}"))
}

fn json(project: &Project, recipe: &Recipe) -> Value {
    project.write("freehold.toml", &recipe.to_string());
    Outcome::json(&project.run(&["run", "--json"]).expect(0))
}

#[test]
fn a_metric_that_counts_its_calls_favours_no_model() {
    let project = Project::new();
    sign(&project, "counts-calls", World::Metric, &metric_that_counts_calls(), "");
    let mut recipe = Recipe::default();
    recipe.metrics += "[[metric]]\nplugin = \"freehold/counts-calls\"\nversion = \"*\"\n";
    // The second run is compared with what the first put into production: three models, one after the other.
    json(&project, &recipe);
    let report = json(&project, &recipe);
    let measured = reports(&report, "metrics", "counts-calls");
    for model in ["base", "adapted", "production"] {
        assert_eq!(measured[model]["value"], 1012.0, "12 rows, asked once: {measured}");
        assert_eq!(measured[model], measured["base"], "{model}: {measured}");
    }
    assert_eq!(measured["over_production"]["value"], 0.0, "{measured}");
}

/// What each world is told of an asset that it asks for, granted or not, and of one that nobody granted.
#[test]
fn a_plugin_is_given_what_it_asked_for_and_was_granted_and_nothing_else() {
    let project = Project::new();
    project.write("glossary.txt", "lamp: a lamp\n");
    project.sign("misbehave");
    let asked = "\"asset:glossary\", \"asset:secrets\"";
    for (name, wanted) in [("glossary", "glossary"), ("secrets", "secrets")] {
        sign(&project, &format!("asking-policy-{name}"), World::Policy, &policy_that_asks(wanted), asked);
        sign(&project, &format!("asking-metric-{name}"), World::Metric, &metric_that_asks(wanted), asked);
    }
    let recipe = |grants: &str, transform: &str| {
        let mut recipe = Recipe::default();
        recipe.transforms = format!("{transform}{}", recipe.transforms);
        for name in ["glossary", "secrets"] {
            let plugin = |kind: &str| format!("plugin = \"freehold/asking-{kind}-{name}\"\nversion = \"*\"\n{grants}");
            recipe.metrics += &format!("[[metric]]\n{}", plugin("metric"));
            recipe.policies += &format!("[[policy]]\nstage = \"admit\"\n{}", plugin("policy"));
        }
        recipe
    };
    let granted = "grants = [{ asset = \"glossary\", path = \"glossary.txt\" }]\n";
    let transform =
        "[[transform]]\nplugin = \"freehold/misbehave\"\nversion = \"*\"\nsettings = { mode = \"asset\" }\n";
    for (grants, transform, told, bytes) in
        [("", String::new(), "none", 0.0), (granted, format!("{transform}{granted}"), "some", 13.0)]
    {
        let report = json(&project, &recipe(grants, &transform));
        let reason =
            |name: &str| reports(&report, "policies", &format!("freehold/{name}"))["verdict"]["reason"].clone();
        let value = |name: &str| reports(&report, "metrics", name)["adapted"]["value"].clone();
        assert_eq!((reason("asking-policy-glossary"), value("asking-metric-glossary")), (told.into(), bytes.into()));
        assert_eq!((reason("asking-policy-secrets"), value("asking-metric-secrets")), ("none".into(), 0.0.into()));
        let shown = project.run(&["audit", "show", report["run"].as_str().unwrap(), "--json"]).expect(0).json();
        let reads = |phase: &str| {
            let phases = shown["phases"].as_array().unwrap();
            let phase = phases.iter().find(|one| one["phase"] == phase).unwrap();
            phase["inputs"].as_array().unwrap().iter().any(|input| input["name"] == "asset/glossary.txt")
        };
        for phase in ["resolve", "admit", "transform", "evaluate"] {
            assert_eq!(reads(phase), bytes > 0.0, "phase {phase}");
        }
        assert!(!reads("promote"));
    }
    project.assert_intact();
}
