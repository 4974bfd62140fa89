//! `cargo xtask bench evidence`: the ledger on the disk of the build folder, and the demo in a folder of its own.

use crate::command::{build_freehold, cargo, run, step, target, workspace};
use crate::components;
use crate::failure::Failure;
use crate::project::Project;

/// `bench evidence [--entries N] [--runs N] [--json]`
pub(crate) fn evidence(arguments: &[String]) -> Result<(), Failure> {
    let plugins = components::build_all()?;
    let freehold = build_freehold()?;
    run(cargo().current_dir(workspace()).args(["build", "--workspace", "--bins", "--locked"]))?;
    // Of its own and new: the synthetic history does not belong in the demo's records.
    let folder = target().join("bench-evidence");
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).map_err(Failure::file("remove", &folder))?;
    }
    let project = Project::prepare("bench-evidence", freehold.clone(), &plugins)?;
    step(
        "Measuring the ledger, the demo and an auditor's questions; other work on this machine and its disk disturbs it",
    );
    let program = target().join("debug").join(format!("bench-evidence{}", std::env::consts::EXE_SUFFIX));
    let mut bench = std::process::Command::new(program);
    bench.args(arguments).arg("--folder").arg(target());
    bench.arg("--freehold").arg(freehold).arg("--project").arg(&project.folder);
    let measured = run(&mut bench);
    std::fs::remove_dir_all(&folder).map_err(Failure::file("remove", &folder))?;
    measured
}
