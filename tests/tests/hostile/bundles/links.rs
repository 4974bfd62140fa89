//! Attacks by links in the folder of plugins that lead out of it: nothing behind them is written, and nothing is read.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use freehold_tests::{Outcome, Project, Recipe};
use tempfile::TempDir;

use super::{NAME, Operator, attack, bundle};

const FOLDER: &str = "plugins/freehold/hostile/1.0.0";
const SAID: [&str; 2] = ["led outside of the filesystem", "no link in it is followed out of it"];

/// What lies in a folder, with what files hold.
fn held(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut held: Vec<_> = entries.map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default())).collect();
    held.sort();
    held
}

/// Puts a link in the place of a file or folder, which goes `outside`.
fn move_out(project: &Project, place: &str, outside: &Path) {
    let place = project.path().join(place);
    let target = outside.join("moved");
    std::fs::rename(&place, &target).unwrap();
    symlink(target, &place).unwrap();
}

#[track_caller]
fn refused(outcome: Outcome) {
    outcome.expect(1).says(&SAID);
}

#[test]
fn folders_that_are_links_out_of_the_folder_of_plugins() {
    for place in ["plugins/freehold", "plugins/freehold/hostile", FOLDER] {
        let operator = Operator::new();
        let outside = TempDir::new().unwrap();
        let link = operator.project.path().join(place);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        // By an absolute path, by one that climbs, and to where nothing is yet.
        std::fs::create_dir(operator.project.path().join("beside")).unwrap();
        let up = "../".repeat(place.split('/').count() - 1);
        for target in [outside.path().to_owned(), format!("{up}beside").into(), outside.path().join("none")] {
            symlink(target, &link).unwrap();
            let attacked = attack(place, bundle(&operator.parts()), "led outside of the filesystem");
            operator.refuse(super::Attack { code: 1, ..attacked });
            assert_eq!(held(outside.path()), [], "{place}");
            assert_eq!(held(&operator.project.path().join("beside")), [], "{place}");
            std::fs::remove_file(&link).unwrap();
        }
        operator.add(&bundle(&operator.parts())).expect(0);
    }
}

#[test]
fn a_version_that_was_moved_behind_a_link_is_not_read() {
    for place in [
        "plugins/freehold",
        "plugins/freehold/hostile",
        FOLDER,
        "plugins/freehold/hostile/1.0.0/component.wasm",
        "plugins/freehold/hostile/1.0.0/manifest.dsse.json",
        "plugins/freehold/hostile/1.0.0/yank.dsse.json",
    ] {
        let operator = Operator::new();
        let project = &operator.project;
        let good = bundle(&operator.parts());
        operator.add(&good).expect(0);
        let plugin = format!("{NAME}@1.0.0");
        project.run(&["plugin", "yank", &plugin, "--key", "publisher", "--reason", "leaks"]).expect(0);
        let outside = TempDir::new().unwrap();
        move_out(project, place, outside.path());
        let before = held(outside.path());
        refused(operator.add(&good));
        refused(project.run(&["plugin", "inspect", &plugin]));
        refused(project.run(&["plugin", "pack", &plugin]));
        assert_eq!(held(outside.path()), before, "{place}");
    }
}

#[test]
fn a_component_that_is_a_link_out_is_neither_written_through_nor_kept() {
    let operator = Operator::new();
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("victim"), b"of value").unwrap();
    let folder = operator.project.path().join(FOLDER);
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["component.wasm", "victim.wasm"] {
        symlink(outside.path().join("victim"), folder.join(file)).unwrap();
    }
    // Without a manifest it is what an interrupted call left, and is replaced.
    operator.add(&bundle(&operator.parts())).expect(0);
    assert_eq!(std::fs::read(outside.path().join("victim")).unwrap(), b"of value");
    assert!(!folder.join("component.wasm").is_symlink());
    operator.project.run(&["plugin", "inspect", NAME]).expect(0);
}

#[test]
fn a_run_does_not_read_a_component_behind_a_link() {
    let project = Project::new();
    for place in ["component.wasm", "manifest.dsse.json", ""] {
        let project = project.fork();
        let outside = TempDir::new().unwrap();
        let place = format!("plugins/freehold/redact-pii/1.0.0/{place}");
        move_out(&project, place.trim_end_matches('/'), outside.path());
        project.run_recipe(&Recipe::default()).expect(1).says(&["redact-pii/1.0.0", SAID[0], SAID[1]]);
        assert_eq!(project.run(&["audit", "list", "--json"]).expect(0).json(), serde_json::json!([]));
    }
}

/// What the operator names is the operator's to say.
#[test]
fn a_folder_of_plugins_may_itself_be_a_link() {
    let operator = Operator::new();
    let outside = TempDir::new().unwrap();
    symlink(outside.path(), operator.project.path().join("plugins")).unwrap();
    operator.add(&bundle(&operator.parts())).expect(0);
    assert!(outside.path().join("freehold/hostile/1.0.0/manifest.dsse.json").is_file());
    operator.project.run(&["plugin", "inspect", NAME]).expect(0);
}
