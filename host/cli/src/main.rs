//! The `freehold` command: arguments in, workflow calls, results out.

mod args;
mod commands;
mod failure;
mod page;
mod passphrase;
mod progress;

use std::process::ExitCode;
#[cfg(unix)]
use std::sync::Arc;

use clap::Parser as _;

use args::{Arguments, Color};
use page::Terminal;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    start_log(arguments.verbose);
    outlive_file_limits();
    let terminal = Terminal { json: arguments.json, quiet: arguments.quiet, verbose: arguments.verbose > 0 };
    let code = match commands::run(arguments, &terminal) {
        Ok(code) => code,
        Err(failure) => failure.show(&terminal),
    };
    ExitCode::from(page::written(code) as u8)
}

/// Where files may not become as large as one has to be (`ulimit -f`), writing fails with an error that says which; without
/// this the system would kill the process.
fn outlive_file_limits() {
    #[cfg(unix)]
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()) {
        tracing::debug!("SIGXFSZ cannot be handled: {error}");
    }
}

/// Logs go to stderr: warnings, or as much as `--verbose` or FREEHOLD_LOG ask for.
fn start_log(verbose: u8) {
    let default = ["warn", "info", "debug"].get(usize::from(verbose)).copied().unwrap_or("trace");
    let filter = tracing_subscriber::EnvFilter::try_from_env(args::LOG_VARIABLE)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("off,freehold={default}")));
    let colors = anstream::stderr().current_choice() != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colors)
        .with_target(false)
        .without_time()
        .init();
}
