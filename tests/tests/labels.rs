//! Residency and license of data follow into what is made of them, and the rules of a home hold before a byte moves.

use freehold_tests::{Project, Recipe};
use serde_json::{Value, json};

fn ask(project: &Project, arguments: &[&str]) -> Value {
    project.run(&[arguments, &["--json"]].concat()).expect(0).json()
}

/// The rules of a home in the EU.
const RULES: &str =
    "[residency]\nplace = \"eu\"\n[residency.rules]\neu = [\"eu\"]\nworld = [\"eu\", \"us\"]\nus = [\"us\"]\n";

fn labelled(from: &str, to: &str) -> Recipe {
    assert!(Recipe::default().data.contains(from));
    Recipe { data: Recipe::default().data.replacen(from, to, 1), ..Recipe::default() }
}

#[test]
fn data_that_may_not_be_here_are_not_read() {
    let project = Project::new();
    project.write("home/host.toml", RULES);
    for (from, to, says) in [
        (
            "residency = \"eu\"",
            "residency = \"us\"",
            ["dataset `train`", "line 12", "residency has `us`", "residency.rules"],
        ),
        (
            "residency = \"eu\"",
            "residency = \"mars\"",
            ["dataset `train`", "line 12", "residency has `mars`", "host.toml"],
        ),
        ("residency = \"eu\", ", "", ["dataset `train`", "line 9", "no value", "labels.residency"]),
    ] {
        project.write("freehold.toml", &labelled(from, to).to_string());
        // The data are not even there: nobody looked.
        std::fs::rename(project.path().join("train.jsonl"), project.path().join("away")).unwrap();
        for command in ["run", "check"] {
            let refused = project.run(&[command]).expect(3).says(&says);
            assert!(refused.stderr.contains("freehold.toml:"), "{}", refused.stderr);
        }
        std::fs::rename(project.path().join("away"), project.path().join("train.jsonl")).unwrap();
    }
    assert_eq!(ask(&project, &["audit", "list"]), json!([]));
    // What may be in several places may be here, and without rules all may.
    let mut world = labelled("residency = \"eu\"", "residency = \"world\"");
    world.policies = world.policies.replace("allow = [\"eu\"]", "allow = [\"eu\", \"world\"]");
    drop(project.run_recipe(&world).says(&["labels residency world; license"]));
    project.write("home/host.toml", "[residency]\nplace = \"eu\"\n");
    project.write("freehold.toml", &labelled("residency = \"eu\", ", "").to_string());
    drop(project.run(&["check"]).expect(3).says(&["residency-gate"]));
    project.write("home/host.toml", "[residency.rules]\neu = [\"eu\"]\n");
    drop(project.run(&["run"]).expect(1).says(&["residency.rules", "place = \"eu\""]));
}

#[test]
fn labels_follow_data_into_adapters_and_bind_aliases_and_exports() {
    let project = Project::new();
    project.write("home/host.toml", &format!("{RULES}[licenses]\nallow = [\"CC-BY-4.0\", \"Apache-2.0\"]\n"));
    let report = project.run_recipe(&Recipe::default()).expect(0);
    drop(report.says(&["labels residency eu; license Apache-2.0, CC-BY-4.0"]));
    let labels = json!({
        "residency": { "values": ["eu"], "unlabelled": false },
        "license": { "values": ["Apache-2.0", "CC-BY-4.0"], "unlabelled": false },
    });
    let shown = ask(&project, &["audit", "show", "desk-1"]);
    assert_eq!(shown["report"]["labels"], labels);
    assert_eq!(ask(&project, &["audit", "history", "desk@production"])[0]["labels"], labels);
    assert_eq!(ask(&project, &["audit", "explain", "desk-1"])["labels"], labels);
    let adapter = shown["report"]["adapter"].as_str().unwrap().replace("sha256:", "home/store/blobs/sha256/");
    let manifest: Value = serde_json::from_slice(&project.read(&adapter)).unwrap();
    let annotated = manifest["annotations"]["dev.freehold.labels"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(annotated).unwrap(), labels);
    project.assert_intact();
    let exports = |code: i32, says: &[&str]| {
        for (at, export) in [
            &["adapter", "export", "desk-1", "--out", "exported"][..],
            &["audit", "export", "desk-1", "--format", "pack", "--with", "weights", "--out", "exported"],
            &["audit", "export", "desk-1", "--format", "pack", "--with", "data", "--out", "exported"],
        ]
        .into_iter()
        .enumerate()
        {
            drop(project.run(export).expect(code).says(says));
            let out = project.path().join("exported");
            assert_eq!(out.exists(), code == 0, "{export:?}");
            drop(if at == 0 { std::fs::remove_dir_all(&out) } else { std::fs::remove_file(&out) });
        }
    };
    exports(0, &[]);

    // A home in another place, or with other licenses: nothing of it goes out, and no alias moves to it.
    for (rules, says) in [
        (
            RULES.replace("place = \"eu\"", "place = \"us\""),
            ["may not be at `us`", "residency has `eu`", "residency.rules"],
        ),
        ("[licenses]\nallow = [\"MIT\"]\n".into(), ["license has `Apache-2.0`", "not allowed", "licenses.allow"]),
        ("[licenses]\nallow = []\n".into(), ["license has `Apache-2.0`", "not allowed", "licenses.allow"]),
    ] {
        project.write("home/host.toml", &rules);
        exports(3, &says);
        drop(project.run(&["promote", "desk-1", "--alias", "desk@staging"]).expect(3).says(&says));
    }
    // The evidence alone says nothing that a label binds.
    drop(project.run(&["audit", "export", "desk-1", "--format", "pack", "--out", "evidence"]).expect(0));

    // What is trained further keeps its labels, and they bind what comes of it.
    project.write("home/host.toml", "");
    let from_here = labelled("residency = \"eu\"", "residency = \"us\"").to_string();
    let from_here =
        from_here.replace("desk@production", "more@production").replace("name = \"desk\"", "name = \"more\"");
    let further = format!(
        "{}\n[start]\nadapter = \"desk-1\"\n",
        from_here.replace("allow = [\"eu\"]", "allow = [\"eu\", \"us\"]")
    );
    project.write("freehold.toml", &further);
    let more = ask(&project, &["run"]);
    assert_eq!(more["labels"]["residency"], json!({ "values": ["eu", "us"], "unlabelled": false }));
    project.assert_intact();
    project.write("home/host.toml", "[residency]\nplace = \"us\"\n[residency.rules]\nus = [\"us\"]\neu = [\"eu\"]\n");
    project.write("freehold.toml", &further.replace("\"eu\"", "\"us\""));
    drop(project.run(&["run"]).expect(3).says(&[
        "`desk-1`, which is trained further,",
        "may not be at `us`",
        "freehold.toml, line",
    ]));

    // An alias of its own.
    let strict =
        "[aliases.\"desk@strict\"]\nlicenses = [\"Apache-2.0\"]\n[aliases.\"desk@there\"]\nresidency = [\"us\"]\n";
    project.write("home/host.toml", strict);
    for (alias, says) in [
        (
            "desk@strict",
            ["have the alias `desk@strict`", "license has `CC-BY-4.0`", "aliases.\"desk@strict\".licenses"],
        ),
        ("desk@there", ["have the alias `desk@there`", "residency has `eu`", "aliases.\"desk@there\".residency"]),
    ] {
        drop(project.run(&["promote", "desk-1", "--alias", alias]).expect(3).says(&says));
        // A recipe that aims at it does not begin.
        let recipe = Recipe { promote: format!("alias = \"{alias}\""), name: "other".into(), ..Recipe::default() };
        drop(project.run_recipe(&recipe).expect(3).says(&says).says(&["what `other` makes", "freehold.toml, line"]));
    }
    drop(project.run(&["promote", "desk-1", "--alias", "desk@staging"]).expect(0));
    assert_eq!(ask(&project, &["audit", "list"]).as_array().unwrap().len(), 2);
    // Nor does an alias go back to what it may not name now.
    let policies = Recipe::default().policies.replace("minimum_rows = 10", "minimum_rows = 11");
    drop(project.run_recipe(&Recipe { policies, ..Recipe::default() }).expect(0));
    project.write("home/host.toml", "[licenses]\nallow = [\"MIT\"]\n");
    drop(project.run(&["rollback", "desk@production"]).expect(3).says(&["license has `Apache-2.0`"]));
    project.assert_intact();
}
