//! Verdicts and metrics replay bit for bit, down to the instructions that they took: compiled anew or loaded, again and again,
//! alone or beside others.

#![expect(clippy::unwrap_used, reason = "tests")]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::batch::{Batch, Column, ColumnData};
use freehold_core::digest::Digest;
use freehold_core::evidence::{Attribute, Estimate, Evidence, Measurement, Subject};
use freehold_core::limits::{LimitKind, Usage};
use freehold_core::manifest::{Manifest, PluginSource, World};
use freehold_core::verdict::Stage;
use freehold_sandbox::{Cache, Grants, HostSettings, Plugin, Sandbox};
use freehold_tests::{component, source};
use freehold_trust::{
    MacKey, PublisherRule, Role, SecretKey, TrustRoot, VerifiedPlugin, VerifiedRoot, sign_plugin, verify_plugin,
};
use jiff::{SignedDuration, Timestamp};

/// Every policy and metric, with settings under which it does its work.
const PLUGINS: [(&str, &str); 6] = [
    ("license-gate", "allow = ['CC-BY-4.0', 'Apache-2.0']"),
    ("residency-gate", "allow = ['eu']"),
    ("metric-gate", "metric = 'exact-match'\nminimum = 0.5\nminimum_rows = 2\nmargin = 0.1"),
    ("misjudge", "mode = 'error'"),
    ("exact-match", "json = true"),
    ("token-f1", ""),
];

fn verified(name: &str) -> VerifiedPlugin {
    let bytes = std::fs::read(component(name)).unwrap();
    let source = PluginSource::parse(&std::fs::read_to_string(source(name)).unwrap()).unwrap();
    let (now, hour) = (Timestamp::now(), SignedDuration::from_hours(1));
    let manifest = Manifest::new(source, Digest::of(&bytes), now, now + hour);
    let key = SecretKey::generate().unwrap();
    let mut root = TrustRoot::first(now + hour, Role::NEEDED.map(|role| (role, key.public())));
    root.publishers = vec![PublisherRule { key: key.public().id(), names: vec!["*".parse().unwrap()] }];
    let root = VerifiedRoot::first(&root.sign(&[&key]).unwrap().to_bytes()).unwrap();
    let envelope = sign_plugin(&manifest, &key).unwrap().to_bytes();
    verify_plugin(&root, now, (&manifest.name, &manifest.version), &envelope, bytes).unwrap()
}

fn evidence(stage: Stage) -> Evidence {
    let subject = |name: &str, labels: &[(&str, &str)]| Subject {
        name: name.into(),
        digest: "sha256:0".into(),
        attributes: labels.iter().map(|(key, value)| Attribute::text(key, *value)).collect(),
    };
    let estimate = |value: f64| Estimate { value, low: value - 0.1, high: value + 0.1 };
    Evidence {
        stage,
        run: "run-1".into(),
        base: subject("base", &[("license", "Apache-2.0")]),
        datasets: vec![subject("tickets", &[("license", "CC-BY-4.0"), ("residency", "eu")])],
        plugins: vec![],
        measurements: vec![Measurement {
            metric: "exact-match".into(),
            higher_is_better: true,
            rows: 400,
            confidence: 0.95,
            base: estimate(0.1),
            adapted: estimate(0.9),
            production: Some(estimate(0.8)),
            over_production: Some(estimate(0.1)),
            attributes: vec![],
        }],
        production: Some(subject("desk@production", &[("run", "run-0")])),
        attributes: vec![],
    }
}

fn answers() -> Batch {
    let texts = |name: &str, values: [&str; 4]| Column {
        name: name.into(),
        data: ColumnData::Text(values.into_iter().collect()),
        validity: None,
    };
    let columns = vec![
        texts("prompt", ["a", "b", "c", "d"]),
        texts("prediction", ["{\"a\": 1}", "the cat sat", "", "nan"]),
        texts("reference", ["{\"a\":1}", "a cat sat down", "x", "nan"]),
    ];
    Batch::new(0, 4, columns).unwrap()
}

/// What was used, but for the clock's part.
fn counted(usage: &Usage) -> Vec<(LimitKind, u64, u64)> {
    let told = usage.iter().filter(|(kind, _)| *kind != LimitKind::WallTimeMs);
    let told: Vec<_> = told.map(|(kind, used)| (kind, used.used, used.limit)).collect();
    assert!(told.iter().any(|(kind, used, _)| *kind == LimitKind::Fuel && *used > 0), "{told:?}");
    told
}

/// All that a plugin says, in bits: numbers as they are, texts as they are, and what it used.
fn replay(plugin: &Plugin, settings: &str) -> String {
    let settings = plugin.manifest().complete(&settings.parse().unwrap()).unwrap();
    let grants = Grants::new(settings, [].into());
    let mut said = String::new();
    if plugin.manifest().world == World::Policy {
        for stage in [Stage::Admit, Stage::Promote] {
            let (verdict, usage) = plugin.policy().unwrap().check(grants.clone(), &evidence(stage));
            said += &format!("{verdict:?} {:?}\n", counted(&usage));
        }
        return said;
    }
    let mut metric = plugin.metric(grants).unwrap();
    let width = metric.describe().unwrap().statistics.len();
    let statistics = metric.statistics(&answers()).unwrap();
    let sums: Vec<f64> = (0..width).map(|at| statistics.iter().skip(at).step_by(width).sum()).collect();
    let values = metric.values(&sums).unwrap();
    let bits: Vec<u64> = statistics.iter().chain(&values).map(|number| number.to_bits()).collect();
    format!("{bits:x?} {:?}", counted(&metric.usage()))
}

/// Takes long because every plugin is compiled twice.
#[test]
fn verdicts_and_metrics_replay_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let secret = MacKey::generate().unwrap();
    let cache = || Some(Cache::new(open(), MacKey::from_bytes(secret.as_bytes()).unwrap()));
    let settings = HostSettings { concurrent: 8, ..HostSettings::default() };
    let plain = Sandbox::new(settings, None).unwrap();
    let cold = Sandbox::new(settings, cache()).unwrap();
    for (name, settings_of) in PLUGINS {
        let verified = verified(name);
        let compiled = plain.load(&verified).unwrap();
        let expected = replay(&compiled, settings_of);
        let same = |plugin: &Plugin, how: &str| assert_eq!(replay(plugin, settings_of), expected, "{name}, {how}");
        same(&compiled, "a fresh store");
        same(&cold.load(&verified).unwrap(), "compiled for the cache");
        let cached = Sandbox::new(settings, cache()).unwrap();
        let loaded = cached.load(&verified).unwrap();
        same(&loaded, "loaded from the cache");
        std::thread::scope(|scope| {
            for plugin in [&compiled, &loaded] {
                scope.spawn(move || (0..20).for_each(|_| same(plugin, "beside another thread")));
            }
        });
    }
}
