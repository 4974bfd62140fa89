//! `cargo xtask bench`: measurements that anyone can run, as ratios to a peer or to native code in the same run.

mod drift;
mod engine;
mod evidence;
mod serve;
mod stream;

use crate::command::{cargo, run, step, target, workspace};
use crate::components;
use crate::failure::Failure;

pub(crate) use drift::drift;
pub(crate) use engine::engine;
pub(crate) use evidence::evidence;
pub(crate) use serve::serve;
pub(crate) use stream::stream;

/// `bench plugins [--json]`
pub(crate) fn plugins(arguments: &[String]) -> Result<(), Failure> {
    components::build_all()?;
    step("Building the benches");
    // The whole workspace, so that dependencies get the same features here as everywhere and are compiled once.
    run(cargo().current_dir(workspace()).args(["build", "--workspace", "--bins", "--locked"]))?;
    step("Measuring plugins; other work on this machine disturbs it");
    let program = target().join("debug").join(format!("bench-plugins{}", std::env::consts::EXE_SUFFIX));
    run(std::process::Command::new(program).arg(target().join("components")).args(arguments))
}
