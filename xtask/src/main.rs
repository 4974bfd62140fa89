//! Chores of the project: `cargo xtask demo`, `cargo xtask test` and what they are made of.

mod base_models;
mod bench;
mod changelogs;
mod command;
mod components;
mod corpus;
mod demo;
mod demo_real;
mod failure;
mod faults;
mod fuzz;
mod project;
mod release_contract;
mod serve;
mod tests;
mod toolchain;

use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
cargo xtask COMMAND

  demo              build everything, sign the plugins, run demo/freehold.toml to a promoted adapter
  demo --real       the same recipe on the changelogs of this Debian machine
  test [ARGS]       build the plugins and run every test; ARGS go to the test runner
  bench plugins     what a plugin costs: rows, loads, calls, verdicts, memory; --json
  bench engine      training and generation next to transformers and PEFT (--python PROGRAM that has them); --json
  bench stream      a run on --gb N of data (1 if not said): rows a second and memory; --json
  bench evidence    the ledger: durable entries a second, a log of --entries N (1,000,000), what evidence costs the
                    demo, and an auditor's questions after --runs N (100,000); --json
  bench serve       tokens a second that a server gives to clients, next to a loop that generates; --json
  serve-load        --clients N (100) that stream for --seconds N (120): no error, and no memory that grows
  bench drift       changes of generated streams: how soon they are found, and false alarms, next to river and Evidently
                    (--python PROGRAM that has them); --json
  faults [COMMAND]  let every call that a command makes on files fail with EIO and ENOSPC, and kill it there; needs strace
  fuzz [TARGET]     search for input that breaks something; --seconds N (600) a target, --json,
                    --keep: keep the best of what was found in fuzz/corpus
  plugins           build the plugins and the test guests as WebAssembly components
  corpus            write the demo's data anew (demo/data)
  release-contract  freeze wit/ as a new version, and keep plugins built with it (tests/corpus)
  base-models [NAME]  train demo/models/base-1, base-2 and base-3 anew, from scratch (about three quarters of an hour)

Everything is built in the profile `dev`, so that the demo and the tests share their dependencies. What is needed and not
there (the target wasm32-unknown-unknown) is installed; it is said before what and why.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match (command, rest) {
        ("demo", []) => demo::run(),
        ("demo", [flag]) if flag == "--real" => demo_real::run(),
        ("test", arguments) => tests::run(arguments),
        ("bench", [what, arguments @ ..]) if what == "plugins" => bench::plugins(arguments),
        ("bench", [what, arguments @ ..]) if what == "engine" => bench::engine(arguments),
        ("bench", [what, arguments @ ..]) if what == "evidence" => bench::evidence(arguments),
        ("bench", [what, arguments @ ..]) if what == "stream" => bench::stream(arguments),
        ("bench", [what, arguments @ ..]) if what == "serve" => bench::serve(arguments),
        ("serve-load", arguments) => serve::load(arguments),
        ("bench", [what, arguments @ ..]) if what == "drift" => bench::drift(arguments),
        ("faults", []) => faults::run(None),
        ("faults", [only]) => faults::run(Some(only)),
        ("fuzz", arguments) => fuzz::run(arguments),
        ("plugins", []) => components::build_all().map(|_| ()),
        ("corpus", []) => project::write_corpus(),
        ("release-contract", []) => release_contract::run_all(false),
        ("release-contract", [flag]) if flag == "--accept" => release_contract::run_all(true),
        ("base-models", names) => base_models::run(names),
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(Failure::new(format!("unknown command: {}\n\n{HELP}", arguments.join(" ")))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
