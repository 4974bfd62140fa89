//! `cargo xtask faults`: every call of every command fails once in every way. The tests do the same to each site once.

use crate::command::{self, build_freehold, cargo, output, step, workspace};
use crate::components;
use crate::failure::Failure;

const TEST: &str = "every_call_of_every_command_with_every_fault";

/// Runs the long form of `tests/tests/faults`, of one command if it is named.
pub(crate) fn run(only: Option<&str>) -> Result<(), Failure> {
    if output(std::process::Command::new("strace").arg("-V")).is_none() {
        return Err(Failure::new("strace is not installed: `apt-get install strace`"));
    }
    components::build_all()?;
    build_freehold()?;
    step("Letting calls fail; what does not hold is said as it is found");
    let mut test = cargo();
    test.current_dir(workspace()).args(["test", "--workspace", "--locked", "--test", "faults", "--", "--ignored"]);
    test.args(["--exact", TEST, "--nocapture"]).env("RUST_BACKTRACE", "0");
    command::run(test.envs(only.map(|only| ("FAULTS_COMMAND", only))))
}
