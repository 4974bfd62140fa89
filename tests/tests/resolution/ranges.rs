//! What a range gets, and keeps.

use freehold_core::digest::Digest;
use freehold_core::manifest::Manifest;
use freehold_tests::Recipe;
use jiff::{SignedDuration, Timestamp};

use crate::project::{
    NAME, RESOLVED, bytes, folder, locked, other_bytes, project, recipe, replace, sign, unlock, with_versions,
};

#[test]
fn the_newest_that_fits_is_locked_and_kept() {
    let project = with_versions(&["1.1.0", "1.2.0-rc.1", "2.0.0"]);
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    sign(&project, "1.2.0");
    project.run(&["run", "--locked"]).expect(RESOLVED);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    unlock(&project);
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.2.0");
    for (range, version) in
        [("=1.0.0", "1.0.0"), ("^1.2.0-rc.1", "1.2.0"), ("=1.2.0-rc.1", "1.2.0-rc.1"), ("*", "2.0.0")]
    {
        unlock(&project);
        project.run_recipe(&recipe(range)).expect(RESOLVED);
        assert_eq!(locked(&project), version, "{range}");
    }
    project.run_recipe(&recipe("^3")).expect(1).says(&["fits `^3`", "found: 1.0.0, 1.1.0, 1.2.0-rc.1, 1.2.0, 2.0.0"]);
    project.assert_intact();
}

#[test]
fn two_versions_of_a_plugin_in_a_recipe_stay_locked() {
    let project = with_versions(&["1.1.0"]);
    let both = recipe("^1.0");
    let exact = format!("[[transform]]\nplugin = \"{NAME}\"\nversion = \"=1.0.0\"\n{}", both.transforms);
    project.run_recipe(&Recipe { transforms: exact, ..both }).expect(RESOLVED);
    project.run(&["run", "--locked"]).expect(RESOLVED);
    let updated = project.run(&["plugin", "update", "--json"]).expect(0).json();
    assert_eq!(updated["moved"], serde_json::json!([]));
}

#[test]
fn a_version_that_does_not_verify_is_never_passed_over_for_an_older_one() {
    let project = with_versions(&["1.1.0"]);
    let manifest = folder(&project, "1.1.0").join("manifest.dsse.json");
    let good = std::fs::read(&manifest).unwrap();
    let past = |manifest: &mut Manifest| manifest.expires = Timestamp::now() - SignedDuration::from_secs(1);
    replace(&project, "1.1.0", &bytes(), past);
    project.run_recipe(&recipe("^1.0")).expect(4).says(&["1.1.0` expired at"]);
    replace(&project, "1.1.0", &bytes(), |manifest| manifest.component = Digest::of(b"other"));
    project.run(&["run"]).expect(4).says(&["the component was changed"]);
    std::fs::write(&manifest, "{}").unwrap();
    project.run(&["run"]).expect(4).says(&["1.1.0", "the manifest was changed"]);
    std::fs::remove_file(&manifest).unwrap();
    project.run(&["run"]).expect(4).says(&["1.1.0` is not signed"]);
    project.run(&["plugin", "update"]).expect(4).says(&["1.1.0` is not signed"]);
    std::fs::write(&manifest, good).unwrap();
    project.run(&["run"]).expect(RESOLVED);
    assert_eq!(locked(&project), "1.1.0");
    // Nor is a locked one passed over for another, older or newer; the operator moves on knowingly.
    replace(&project, "1.1.0", &bytes(), past);
    sign(&project, "1.2.0");
    project.run(&["run"]).expect(4).says(&["1.1.0` expired at"]);
    project.run(&["plugin", "update", "--write"]).expect(0).says(&["is now 1.2.0", "was 1.1.0"]);
    project.run(&["run", "--locked"]).expect(RESOLVED);
}

#[test]
fn other_bytes_than_are_locked_are_refused_on_a_machine_that_never_saw_the_version() {
    let project = project();
    let elsewhere = project.fork();
    project.run_recipe(&recipe("^1.0")).expect(RESOLVED);
    elsewhere.write("freehold.toml", &recipe("^1.0").to_string());
    elsewhere.write("freehold.lock", &String::from_utf8(project.read("freehold.lock")).unwrap());
    replace(&elsewhere, "1.0.0", &other_bytes(), |_| {});
    let parts = ["1.0.0 has another component than is locked", "do not use these files"];
    elsewhere.run(&["run"]).expect(4).says(&parts);
    elsewhere.run(&["run", "--locked"]).expect(4).says(&parts);
    elsewhere.run(&["plugin", "update", "--write"]).expect(4).says(&parts);
    replace(&elsewhere, "1.0.0", &bytes(), |manifest| manifest.limits.fuel = 5_000_000_000);
    elsewhere.run(&["run", "--locked"]).expect(4).says(&["another signed manifest than is locked"]);
    // What was refused is not remembered: the locked files are still welcome.
    for file in ["component.wasm", "manifest.dsse.json"] {
        std::fs::copy(folder(&project, "1.0.0").join(file), folder(&elsewhere, "1.0.0").join(file)).unwrap();
    }
    elsewhere.run(&["run", "--locked"]).expect(RESOLVED);
}
