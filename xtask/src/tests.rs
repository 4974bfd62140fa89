//! `cargo xtask test`: every test.

use crate::command::{self, build_freehold, cargo, output, step, workspace};
use crate::components;
use crate::failure::Failure;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    components::build_all()?;
    build_freehold()?;
    let has_nextest = output(cargo().args(["nextest", "--version"])).is_some();
    step(if has_nextest {
        "Running the tests"
    } else {
        "Running the tests with cargo test: cargo-nextest is not installed"
    });
    let mut command = cargo();
    command.current_dir(workspace());
    match has_nextest {
        true => command.args(["nextest", "run", "--workspace", "--locked"]),
        false => command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--locked"]),
    };
    run_tests(command.args(arguments))?;
    if arguments.is_empty() {
        step("Running the examples in the SDK's documentation");
        run_tests(cargo().current_dir(workspace()).args(["test", "--doc", "--locked", "--package", "freehold-sdk"]))?;
    }
    Ok(())
}

fn run_tests(command: &mut std::process::Command) -> Result<(), Failure> {
    command::run(command.env("RUST_BACKTRACE", "0"))
}
