//! `cargo xtask bench evidence`: the ledger on the disk of the build folder.

use crate::command::{cargo, run, step, target, workspace};
use crate::failure::Failure;

/// `bench evidence [--entries N] [--json]`
pub(crate) fn evidence(arguments: &[String]) -> Result<(), Failure> {
    step("Building the benches");
    run(cargo().current_dir(workspace()).args(["build", "--workspace", "--bins", "--locked"]))?;
    step("Measuring the ledger; other work on this machine and its disk disturbs it");
    let program = target().join("debug").join(format!("bench-evidence{}", std::env::consts::EXE_SUFFIX));
    run(std::process::Command::new(program).args(arguments).arg("--folder").arg(target()))
}
