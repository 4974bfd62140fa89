//! Compiled plugins are loaded again only if this host wrote them. Machine code from elsewhere is named and never run.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::process::Stdio;

use freehold_tests::{Outcome, Project, Recipe};

/// A recipe that is denied before any data is touched: every plugin is loaded, and nothing is trained.
fn denied() -> Recipe {
    let policies = Recipe::default().policies.replace("allow = [\"eu\"]", "allow = [\"ch\"]");
    Recipe { policies, ..Recipe::default() }
}

fn compiled(project: &Project) -> Vec<PathBuf> {
    let list = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let folders = list(project.path().join("home/cache")).filter(|path| path.is_dir());
    let mut files: Vec<PathBuf> = folders.flat_map(list).collect();
    files.sort();
    files
}

fn run(project: &Project) -> Outcome {
    project.run(&["run"]).expect(3)
}

const NAMED: &str = "was not written by this host or was changed; it is compiled anew";

#[test]
fn what_was_compiled_is_loaded_again_and_what_was_changed_is_not() {
    let project = Project::new();
    project.run_recipe(&denied()).expect(3);
    let files = compiled(&project);
    assert!(files.len() >= 6, "{files:?}");
    assert_eq!(run(&project).stderr, "", "everything is loaded from the cache");

    // A flipped bit in the tag, at the begin and at the end of the code; a file cut short; an empty one.
    let file = &files[0];
    let good = std::fs::read(file).unwrap();
    for at in [0, 32, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(file, bytes).unwrap();
        drop(run(&project).says(&[NAMED]));
        assert_eq!(std::fs::read(file).unwrap(), good, "compiled anew, to the same bytes");
    }
    for length in [0, 31, 32, good.len() - 1] {
        std::fs::write(file, &good[..length]).unwrap();
        drop(run(&project).says(&[NAMED]));
    }
    // Code of one plugin under the name of another.
    std::fs::copy(&files[1], file).unwrap();
    drop(run(&project).says(&[NAMED]));
    assert_eq!(run(&project).stderr, "");
    project.assert_intact();
}

#[test]
fn the_cache_of_another_host_is_not_ours() {
    let (project, other) = (Project::new(), Project::new());
    project.run_recipe(&denied()).expect(3);
    other.run_recipe(&denied()).expect(3);
    for (ours, theirs) in compiled(&project).iter().zip(compiled(&other)) {
        assert_eq!(ours.file_name(), theirs.file_name());
        std::fs::copy(theirs, ours).unwrap();
    }
    let said = run(&project);
    assert_eq!(said.stderr.matches("compiled anew").count(), compiled(&project).len(), "{}", said.stderr);
    // A lost secret costs a compilation, and nothing that it vouched for is taken.
    std::fs::remove_file(project.path().join("home/cache/secret")).unwrap();
    drop(run(&project).says(&[NAMED]));
    assert_eq!(run(&project).stderr, "");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(project.path().join("home/cache/secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn hosts_that_compile_at_the_same_time_share_a_cache() {
    let project = Project::new();
    project.write("freehold.toml", &denied().to_string());
    let start = || project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let hosts: Vec<_> = (0..3).map(|_| start()).collect();
    for host in hosts {
        let output = host.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(3), ""));
    }
    assert_eq!(run(&project).stderr, "");
    project.assert_intact();
}

#[test]
fn what_the_operator_allows_is_the_most_that_a_plugin_gets() {
    let project = Project::new();
    project.write("freehold.toml", &denied().to_string());
    project.write("home/host.toml", "[plugins.limits]\nfeul = 5\n");
    project.run(&["run"]).expect(1).says(&["host.toml", "unknown variant `feul`", "did you mean `fuel`?"]);
    project.write("home/host.toml", "[plugins.limits]\ncomponent_bytes = 1000\n");
    let refused = project.run(&["run"]).expect(1);
    drop(refused.says(&["component of more than 1000 bytes", "raise `component_bytes`", "`host.toml`"]));
    project.write("home/host.toml", "[plugins.limits]\nstack_bytes = 65536\n");
    project.run(&["run"]).expect(1).says(&["more than its 65536 bytes of stack", "raise `stack_bytes`"]);
    // Precompiling drops no limit: the code is in the cache, and the fuel is still what the host allows.
    project.write("home/host.toml", "");
    project.run(&["run"]).expect(3).says(&["residency-not-allowed"]);
    project.write("home/host.toml", "[plugins.limits]\nfuel = 1000\n");
    project.run(&["run"]).expect(3).says(&["no verdict", "used up its fuel (1000)", "out-of-fuel"]);
    project.write("home/host.toml", "[plugins.limits]\ninput_bytes = 10\n");
    project.run(&["run"]).expect(3).says(&["was to be handed more than 10 bytes in a call", "input-limit"]);
    project.write("home/host.toml", "[plugins.limits]\nmemory_bytes = 65536\n");
    let said = project.run(&["run"]).expect(3);
    drop(said.says(&["no verdict", "more than its 65536 bytes of memory", "raise `memory_bytes`", "out-of-memory"]));
}
