//! Recipes whose base model comes from a hub: runs are offline, and pinned to commit and digest.

use freehold_tests::{Project, Recipe};

use crate::server::{COMMIT, Hub, MODEL, SECOND_COMMIT, WEIGHTS, folder};

fn recipe() -> Recipe {
    Recipe { base: format!("model = \"hf:{MODEL}@main\"\nlicense = \"Apache-2.0\""), ..Recipe::default() }
}

fn lockfile(project: &Project) -> String {
    String::from_utf8(project.read("freehold.lock")).unwrap()
}

#[test]
fn a_run_takes_the_pulled_model_and_is_pinned_to_it() {
    let (project, hub) = (Project::new(), Hub::start());
    // Not pulled: the command is named, and nothing asks the network.
    let command = format!("freehold model pull hf:{MODEL}@main");
    project.run_recipe(&recipe()).expect(1).says(&["was not pulled", &command]);
    project.assert_intact();
    hub.pull(&project, "main").expect(0);
    let pulled = hub.requests().len();

    project.run_recipe(&recipe()).expect(0).says(&["promoted"]);
    let first = lockfile(&project);
    assert!(first.contains(&format!("commit = \"{COMMIT}\"")) && first.contains("digest = "), "{first}");
    let digest =
        project.run(&["model", "inspect", &format!("hf:{MODEL}"), "--json"]).expect(0).json()["digest"].clone();
    assert!(first.contains(digest.as_str().unwrap()), "{first}");
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let resolve = shown["phases"].as_array().unwrap().iter().find(|phase| phase["phase"] == "resolve").unwrap();
    assert_eq!(resolve["detail"]["lock"]["base"]["commit"], COMMIT);

    // The branch moves on, and with it what is pulled; --locked stays where it was.
    hub.move_main(SECOND_COMMIT);
    hub.put("generation_config.json", "{\"eos_token_id\": 1}");
    hub.pull(&project, "main").expect(0).says(&[SECOND_COMMIT]);
    project.run(&["run", "--locked"]).expect(0);
    assert_eq!(lockfile(&project), first);
    // Another base than the one in production: the gate says so.
    let moved = project.run(&["run"]).expect(3).says(&["was not compared with it"]);
    assert!(!moved.stderr.contains("panicked"), "{}", moved.stderr);
    assert!(lockfile(&project).contains(SECOND_COMMIT));

    // The locked commit is gone from the home.
    project.write("freehold.lock", &first);
    std::fs::remove_dir_all(folder(&project).join(COMMIT)).unwrap();
    let command = format!("freehold model pull hf:{MODEL}@{COMMIT}");
    project.run(&["run", "--locked"]).expect(1).says(&["was not pulled", &command]);
    project.assert_intact();
    assert!(hub.requests().len() < pulled * 2, "only pulls ask the hub");
}

#[test]
fn other_bytes_than_were_pulled_are_refused() {
    let (project, hub) = (Project::new(), Hub::start());
    hub.pull(&project, "main").expect(0);
    project.write("freehold.toml", &recipe().to_string());
    project.run(&["run"]).expect(0);
    let weights = folder(&project).join(COMMIT).join(WEIGHTS);
    let mut bytes = std::fs::read(&weights).unwrap();
    let honest = bytes.clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, &bytes).unwrap();
    let said = ["has other bytes", "than were pulled", "remove the folder", "freehold model pull"];
    project.run(&["run", "--locked"]).expect(4).says(&said);
    project.run(&["run"]).expect(4).says(&said);
    project.run(&["model", "inspect", &format!("hf:{MODEL}")]).expect(4).says(&said);
    hub.pull(&project, "main").expect(4).says(&said);

    // Whoever alters the record as well is stopped by the lockfile.
    let digest = |project: &Project| {
        project.copy_model("base-1");
        std::fs::write(project.path().join("models/base-1").join(WEIGHTS), &bytes).unwrap();
        project.run(&["model", "inspect", "models/base-1", "--json"]).expect(0).json()["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let record = folder(&project).join(COMMIT).join("pulled.json");
    let mut altered: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    altered["digest"] = digest(&project).into();
    std::fs::write(&record, altered.to_string()).unwrap();
    project.run(&["run", "--locked"]).expect(1).says(&["base model", "has other bytes"]);
    std::fs::write(&record, "{}").unwrap();
    project.run(&["run", "--locked"]).expect(1).says(&["pulled.json"]);

    // As the remedy says.
    std::fs::remove_dir_all(folder(&project).join(COMMIT)).unwrap();
    hub.pull(&project, "main").expect(0);
    assert!(std::fs::read(&weights).unwrap() == honest);
    project.run(&["run", "--locked"]).expect(0);
    project.assert_intact();
}

#[test]
fn a_name_that_is_none_is_an_error_of_the_recipe() {
    let project = Project::new();
    for name in ["hf:base-1", "hf:../x@main", "hf:a/b@../../x"] {
        let recipe = Recipe { base: format!("model = \"{name}\""), ..Recipe::default() };
        project.run_recipe(&recipe).expect(1).says(&["`base.model`", "hf:org/name@revision"]);
    }
    project.assert_intact();
}
