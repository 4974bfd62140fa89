//! What is pulled, and how a pull that was interrupted goes on.

use std::time::{Duration, Instant};

use freehold_core::digest::Digest;
use freehold_tests::Project;

use crate::server::{Answer, COMMIT, Hub, MODEL, Request, WEIGHTS, folder, listed};

fn names(folder: &std::path::Path) -> Vec<String> {
    listed(folder).into_iter().map(|(name, _)| name).collect()
}

/// The weights' requests for bytes, by where they begin.
fn starts(requests: &[Request]) -> Vec<u64> {
    let range = |request: &Request| {
        let range = request.headers.get("range").map(|range| range["bytes=".len()..].trim_end_matches('-').to_owned());
        range.map_or(0, |start| start.parse().unwrap())
    };
    requests.iter().filter(|request| request.is_for_weights()).map(range).collect()
}

#[test]
fn a_model_is_pulled_at_its_commit_with_the_files_that_the_engine_uses() {
    let (project, hub) = (Project::bare(), Hub::start());
    let said = hub.pull(&project, "main").expect(0).says(&[COMMIT, "apache-2.0", "Pulled.", hub.address()]);
    assert!(said.stdout.lines().all(|line| line.chars().count() <= 100), "{}", said.stdout);
    assert_eq!(said.stderr, "", "nothing is drawn where no terminal is");
    let model = folder(&project);
    assert_eq!(names(&model), [COMMIT, "revisions.json"]);
    let expected = [
        "LICENSE",
        "README.md",
        "config.json",
        "generation_config.json",
        WEIGHTS,
        "pulled.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&model.join(COMMIT)), expected);
    let asked: Vec<_> = hub.requests();
    assert!(asked.iter().skip(1).all(|request| request.large || request.path.contains(COMMIT)), "by commit: {asked:?}");
    assert!(!asked.iter().any(|request| request.path.contains("pytorch") || request.path.contains("evil")));

    // The same again asks for nothing but the commit.
    let again = hub.command(&project, "main").arg("--json").output().unwrap();
    let again = freehold_tests::Outcome::from(again).expect(0).json();
    assert_eq!((again["unchanged"].as_bool(), again["commit"].as_str()), (Some(true), Some(COMMIT)));
    assert_eq!(hub.requests().len(), 1);

    // Offline from here on. The digest is that of a model folder with the same files.
    let shown = project.run(&["model", "list", "--json"]).expect(0).json();
    let listed = &shown["models"][0];
    assert_eq!(listed["model"], format!("hf:{MODEL}@main"));
    assert_eq!(listed["revisions"][0], "main");
    assert_eq!(listed["license"], "apache-2.0");
    project.copy_model("base-1");
    let copy = project.run(&["model", "inspect", "models/base-1", "--json"]).expect(0).json();
    assert_eq!(listed["digest"], copy["digest"]);
    for name in [format!("hf:{MODEL}@main"), format!("hf:{MODEL}@{COMMIT}"), format!("hf:{MODEL}")] {
        let inspected = project.run(&["model", "inspect", &name, "--json"]).expect(0).json();
        assert_eq!(inspected["digest"], copy["digest"], "{name}");
        assert_eq!(inspected["pulled"]["commit"], COMMIT, "{name}");
    }
    let weights = &listed["files"].as_array().unwrap().iter().find(|file| file["name"] == WEIGHTS).unwrap()["digest"];
    let bytes = std::fs::read(model.join(COMMIT).join(WEIGHTS)).unwrap();
    assert_eq!(*weights, Digest::of(&bytes).to_string());
    let page = project.run(&["model", "list"]).expect(0).says(&[MODEL, "main", &COMMIT[..12], "apache-2.0", "MiB"]);
    assert!(page.stdout.lines().all(|line| line.chars().count() <= 100), "{}", page.stdout);
    assert_eq!(hub.requests().len(), 0);
}

/// The process is killed in the middle of the weights. The next one asks for the rest only.
#[test]
fn a_pull_that_was_killed_goes_on_from_the_bytes_that_are_there() {
    let (project, hub) = (Project::bare(), Hub::start());
    const SENT: u64 = 1 << 20;
    hub.answer(|request, answer| Answer { silent_after: request.is_for_weights().then_some(SENT as usize), ..answer });
    let mut child = hub.command(&project, "main").spawn().unwrap();
    let unfinished = folder(&project).join(format!("{COMMIT}.part"));
    let part = unfinished.join(format!("{WEIGHTS}.part"));
    let since = Instant::now();
    while std::fs::metadata(&part).map_or(0, |metadata| metadata.len()) < SENT {
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", listed(&unfinished));
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder(&project).join(COMMIT).exists());
    project.run(&["model", "list"]).expect(0).says(&[&format!("{COMMIT}.part"), "interrupted pull", "goes on"]);
    project.run(&["model", "inspect", &format!("hf:{MODEL}@main")]).expect(1).says(&["was not pulled"]);

    hub.be_honest();
    hub.requests();
    hub.pull(&project, "main").expect(0);
    assert_eq!(starts(&hub.requests()), [SENT]);
    assert_eq!(names(&folder(&project)), [COMMIT, "revisions.json"]);
    let demo = std::fs::read(freehold_tests::workspace().join("demo/models/base-1").join(WEIGHTS)).unwrap();
    assert!(std::fs::read(folder(&project).join(COMMIT).join(WEIGHTS)).unwrap() == demo);
}

#[test]
fn a_connection_that_breaks_is_taken_up_again() {
    let (project, hub) = (Project::bare(), Hub::start());
    hub.answer(|request, answer| Answer { closed_after: request.is_for_weights().then_some(1 << 20), ..answer });
    hub.pull(&project, "main").expect(0);
    assert_eq!(starts(&hub.requests()), [0, 1 << 20, 2 << 20]);
}

/// Bytes that were damaged while nobody looked do not become a model, and do not stay in the way.
#[test]
fn what_is_gone_on_from_is_verified_as_a_whole() {
    let (project, hub) = (Project::bare(), Hub::start());
    let unfinished = folder(&project).join(format!("{COMMIT}.part"));
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join(format!("{WEIGHTS}.part")), [0; 1000]).unwrap();
    hub.pull(&project, "main").expect(4).says(&[WEIGHTS, "the hub promised", "nothing of the file was kept"]);
    assert!(!names(&unfinished).contains(&format!("{WEIGHTS}.part")));
    assert_eq!(starts(&hub.requests()), [1000]);
    hub.pull(&project, "main").expect(0);
    assert_eq!(starts(&hub.requests()), [0]);

    // Longer than the whole, and a whole file with other bytes under the final name.
    let project = Project::bare();
    let unfinished = folder(&project).join(format!("{COMMIT}.part"));
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join(format!("{WEIGHTS}.part")), vec![0; 3 << 20]).unwrap();
    std::fs::write(unfinished.join(WEIGHTS), vec![0; 1000]).unwrap();
    hub.pull(&project, "main").expect(0);
}

#[test]
fn a_server_that_sends_no_parts_is_read_from_the_beginning() {
    let (project, hub) = (Project::bare(), Hub::start());
    let unfinished = folder(&project).join(format!("{COMMIT}.part"));
    std::fs::create_dir_all(&unfinished).unwrap();
    let weights = std::fs::read(freehold_tests::workspace().join("demo/models/base-1").join(WEIGHTS)).unwrap();
    std::fs::write(unfinished.join(format!("{WEIGHTS}.part")), &weights[..1000]).unwrap();
    hub.answer(move |request, answer| {
        if !request.is_for_weights() {
            return answer;
        }
        let mut whole = Answer { body: weights.clone(), status: 200, ..answer };
        whole.headers.clear();
        whole
    });
    hub.pull(&project, "main").expect(0);
}

#[test]
fn weights_in_several_files_are_those_that_the_index_names() {
    let (project, hub) = (Project::bare(), Hub::start());
    let shard = "model-00001-of-00001.safetensors";
    hub.put(shard, hub.remove(WEIGHTS));
    hub.put("other.safetensors", "not named");
    hub.put("model.safetensors.index.json", format!("{{\"weight_map\": {{\"w\": \"{shard}\"}}}}"));
    hub.pull(&project, "refs/pr/1").expect(0).says(&[shard]);
    let names = names(&folder(&project).join(COMMIT));
    assert!(names.contains(&shard.to_owned()) && !names.contains(&"other.safetensors".to_owned()), "{names:?}");
    project.run(&["model", "inspect", &format!("hf:{MODEL}@refs/pr/1")]).expect(0);
    project.run(&["model", "list"]).expect(0).says(&["refs/pr/1"]);
}
