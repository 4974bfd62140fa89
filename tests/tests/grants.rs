//! A plugin gets a file only if its manifest asks for it and the recipe grants it. What plugins see of that is in
//! `hostile/grants.rs`.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::{Project, Recipe, head};

/// What a run comes to that resolves, records, and is denied before anything is trained.
const RESOLVED: i32 = 3;

const GLOSSARY: &str = "{ asset = \"glossary\", path = \"glossary.txt\" }";
const OTHER: &str = "{ asset = \"secrets\", path = \"glossary.txt\" }";

/// A recipe that is denied at admission, with what is said of one plugin.
fn recipe(world: &str, version: &str, grants: &str) -> Recipe {
    let plugin = |table: &str, name: &str, rest: &str| {
        let (version, grants) = if table == world { (version, grants) } else { ("=1.0.0", "[]") };
        format!("[[{table}]]\nplugin = \"freehold/{name}\"\nversion = \"{version}\"\ngrants = {grants}\n{rest}")
    };
    let gate = "[[policy]]\nplugin = \"freehold/residency-gate\"\nversion = \"=1.0.0\"\nstage = \"admit\"\nsettings = { allow = [\"ch\"] }\n";
    let license = "stage = \"admit\"\nsettings = { allow = [\"CC-BY-4.0\", \"Apache-2.0\"] }\n";
    Recipe {
        transforms: plugin("transform", "redact-pii", ""),
        metrics: plugin("metric", "exact-match", ""),
        policies: format!("{}{gate}", plugin("policy", "license-gate", license)),
        ..Recipe::default()
    }
}

/// Twenty-four runs that end before anything is trained.
#[test]
fn truth_table_of_what_was_asked_for_and_what_was_granted() {
    let project = Project::bare();
    for name in ["redact-pii", "exact-match", "license-gate", "residency-gate"] {
        project.sign(name);
        let asks = [("capabilities = []", "capabilities = [\"asset:glossary\"]"), ("\"1.0.0\"", "\"1.1.0\"")];
        project.sign_changed(name, &asks, "publisher", 30).expect(0);
    }
    project.copy_model("base-1");
    project.write("train.jsonl", &head("tickets-eu.jsonl", 4));
    project.write("eval.jsonl", &head("heldout.jsonl", 4));
    project.write("glossary.txt", "lamp: a lamp\n");
    let not_asked = |name: &str| format!("is granted the asset `{name}`, which its manifest does not ask for");
    let twice = "is granted the asset `glossary` twice; remove one of the grants";
    for world in ["transform", "metric", "policy"] {
        for (asked, version) in [(false, "=1.0.0"), (true, "=1.1.0")] {
            for (grants, refused) in [
                ("[]".to_owned(), None),
                (format!("[{GLOSSARY}]"), (!asked).then(|| not_asked("glossary"))),
                (format!("[{OTHER}]"), Some(not_asked("secrets"))),
                (format!("[{GLOSSARY}, {GLOSSARY}]"), Some(if asked { twice.into() } else { not_asked("glossary") })),
            ] {
                let label = format!("{world}, asked {asked}, granted {grants}");
                let said = project.run_recipe(&recipe(world, version, &grants));
                assert_eq!(said.code, if refused.is_some() { 1 } else { RESOLVED }, "{label}: {}", said.stderr);
                if let Some(refused) = refused {
                    said.says(&[&refused]);
                    continue;
                }
                let lock = String::from_utf8(project.read("freehold.lock")).unwrap();
                assert_eq!(lock.contains("[[asset]]"), grants != "[]", "{label}");
            }
        }
    }
    project.assert_intact();
}
