//! What a newer version would change.

use crate::project::{NAME, RESOLVED, folder, locked, project, recipe, sign_with, yank};

#[test]
fn update_shows_what_moves_and_what_asks_for_more() {
    let project = project();
    project.write("freehold.toml", &recipe("^1.0").to_string());
    let first = project.run(&["plugin", "update", "--json"]).expect(0).json();
    assert_eq!((&first["plugins"][0]["locked"], &first["moved"]), (&serde_json::Value::Null, &serde_json::json!([])));
    project.run(&["plugin", "update", "--write"]).expect(1).says(&["no `freehold.lock`", "run once"]);
    project.run(&["run"]).expect(RESOLVED);
    project.run(&["plugin", "update"]).expect(0).says(&["Nothing moves in freehold.lock"]);

    let more =
        [("capabilities = []", "capabilities = [\"asset:names\"]"), ("memory_bytes = 67_108_864", "memory_bytes = 99")];
    sign_with(&project, "1.1.0", &more).expect(0);
    sign_with(&project, "1.2.0", &[]).expect(0);
    sign_with(&project, "2.0.0", &[]).expect(0);
    yank(&project, "1.2.0").expect(0);
    yank(&project, "1.0.0").expect(0);
    let lock = project.read("freehold.lock");
    let shown = project.run(&["plugin", "update"]).expect(0).says(&[
        "freehold/redact-pii ^1.0 1.0.0 1.1.0 2.0.0",
        "1.0.0: loses rows; 1.2.0: loses rows",
        "freehold/redact-pii 1.0.0 -> 1.1.0",
        "capabilities none -> asset:names  asks for more",
        "limits.memory_bytes 67108864 -> 99",
        "Would move in freehold.lock",
        "plugin `freehold/redact-pii` is now 1.1.0",
        "--write",
    ]);
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 100), "{}", shown.stdout);
    assert_eq!(project.read("freehold.lock"), lock);
    // The old manifest is compared even when its files are gone.
    std::fs::remove_dir_all(folder(&project, "1.0.0")).unwrap();
    let report = project.run(&["plugin", "update", "--write", "--json"]).expect(0).json();
    let plugin = &report["plugins"][0];
    assert_eq!(
        (&plugin["locked"], &plugin["fits"], &plugin["newest"]),
        (&"1.0.0".into(), &"1.1.0".into(), &"2.0.0".into())
    );
    assert_eq!((&plugin["locked_yanked"], &report["written"]), (&"loses rows".into(), &true.into()));
    let differences = plugin["differences"].as_array().unwrap();
    let more: Vec<_> = differences.iter().filter(|one| one["asks_more"] == true).map(|one| &one["what"]).collect();
    assert_eq!(more, ["capabilities"]);
    assert_eq!(locked(&project), "1.1.0");
}

#[test]
fn diff_tells_whether_a_version_breaks_recipes() {
    let project = project();
    let more =
        [("capabilities = []", "capabilities = [\"asset:names\"]"), ("wall_time_ms = 60_000", "wall_time_ms = 9")];
    sign_with(&project, "1.1.0", &more).expect(0);
    sign_with(&project, "2.0.0", &[("[settings.kinds]", "[settings.sorts]")]).expect(0);
    let version = |version: &str| format!("{NAME}@{version}");
    let diff = |before: &str, after: &str, more: &[&str]| {
        project.run(&[&["plugin", "diff", &version(before), &version(after)], more].concat())
    };
    diff("1.0.0", "1.1.0", &[]).expect(0).says(&[
        "capabilities none -> asset:names  asks for more",
        "limits.wall_time_ms 60000 -> 9",
        "Recipes that use the first run with the second.",
    ]);
    diff("1.1.0", "1.0.0", &[]).expect(0).says(&["capabilities asset:names -> none  breaks recipes", "may not run"]);
    let broken = diff("1.0.0", "2.0.0", &["--json"]).expect(0).json();
    assert_eq!(broken["breaks"], true);
    let breaks: Vec<_> = broken["differences"].as_array().unwrap().iter().filter(|one| one["breaks"] == true).collect();
    assert_eq!(breaks.iter().map(|one| one["what"].as_str().unwrap()).collect::<Vec<_>>(), ["settings.kinds"]);
    // Both are verified.
    std::fs::write(folder(&project, "1.1.0").join("component.wasm"), b"other").unwrap();
    diff("1.0.0", "1.1.0", &[]).expect(4).says(&["the component was changed"]);
    diff("1.0.0", "3.0.0", &[]).expect(1).says(&["no plugin `freehold/redact-pii`"]);
}
