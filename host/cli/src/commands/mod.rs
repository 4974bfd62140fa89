//! One file a command.

mod adapter;
mod approve;
mod audit;
mod check;
pub(crate) mod data;
mod drift;
mod generate;
mod init;
mod key;
mod logits;
mod model;
mod plugin;
mod promote;
mod pulled;
mod rebase;
mod report;
mod reproduce;
mod rollback;
mod run;
mod serve;
mod trust;
mod watch;

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_workflow::{ExitCode, Home, WorkflowError};

use crate::args::{Arguments, Command};
use crate::failure::Failure;
use crate::page::Terminal;
use crate::passphrase::Passphrases;

pub(crate) fn run(arguments: Arguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let passphrases = Passphrases::new(arguments.passphrase_file, arguments.pin_file);
    let home = Place(&arguments.home, &passphrases);
    if let Some(instructions) = arguments.instructions {
        freehold_engine::use_instructions(instructions).map_err(|error| {
            Failure::new(ExitCode::Usage, error.to_string(), "leave out `--instructions`, or name lesser ones")
        })?;
    }
    match arguments.command {
        Command::Init => init::run(&home, terminal),
        Command::Check(arguments) => check::run(&home, &arguments, terminal),
        Command::Run(arguments) => run::run(&home, &arguments, terminal),
        Command::Reproduce(arguments) => reproduce::run(&home, &arguments, terminal),
        Command::Key(command) => key::run(&home, command, terminal),
        Command::Trust(command) => trust::run(&home, command, terminal),
        Command::Plugin(command) => plugin::run(&home, command, terminal),
        Command::Model(command) => model::run(&home, command, terminal),
        Command::Adapter(command) => adapter::run(&home, command, terminal),
        Command::Rebase(arguments) => rebase::run(&home, arguments, terminal),
        Command::Watch(arguments) => watch::run(&home, &arguments, terminal),
        Command::Trigger(arguments) => watch::trigger(&home, arguments, terminal),
        Command::Drift(command) => drift::run(&home, command, terminal),
        Command::Promote(arguments) => promote::run(&home, &arguments, terminal),
        Command::Rollback(arguments) => rollback::run(&home, arguments, terminal),
        Command::Serve(arguments) => serve::run(&home, arguments, terminal),
        Command::Approve(arguments) => approve::run(&home, arguments, terminal),
        Command::Audit(command) => audit::run(&home, command, terminal),
    }
}

/// Where the home is, and the passphrases of its keys.
struct Place<'a>(&'a Path, &'a Passphrases);

impl Place<'_> {
    fn open(&self) -> Result<Home, Failure> {
        let none = || WorkflowError::NoHome(self.0.display().to_string());
        Ok(self.open_if_there()?.ok_or_else(none)?)
    }

    fn equipped(&self, mut home: Home) -> Home {
        home.unlock_with(Box::new(self.1.clone()));
        home.open_outside_with(|path| Dir::open_ambient_dir(path, ambient_authority()));
        home
    }

    /// The home, if there is one.
    fn open_if_there(&self) -> Result<Option<Home>, Failure> {
        let name = self.0.display().to_string();
        match Dir::open_ambient_dir(self.0, ambient_authority()) {
            Ok(dir) => match Home::open(dir, &name) {
                Err(WorkflowError::NoHome(_)) => Ok(None),
                other => Ok(Some(self.equipped(other?))),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("open", self.0, &error)),
        }
    }
}

/// A folder that the command line names.
pub(crate) fn open_folder(path: &Path) -> Result<Dir, Failure> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| Failure::file("open", path, &error))
}

/// A folder that the command line names; made if it is not there.
fn make_folder(path: &Path) -> Result<Dir, Failure> {
    Dir::create_ambient_dir_all(path, ambient_authority()).map_err(|error| Failure::file("create", path, &error))?;
    open_folder(path)
}

/// The bytes of a file that the command line names.
fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let (folder, name) = split(path)?;
    freehold_files::read(&open_folder(folder)?, name, limit).map_err(|error| Failure::file("read", path, &error))
}

/// Writes a file that the command line names, whole or not at all.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let (folder, name) = split(path)?;
    freehold_files::write(&open_folder(folder)?, name, bytes).map_err(|error| Failure::file("write", path, &error))
}

/// Folder and file name of a path.
pub(crate) fn split(path: &Path) -> Result<(&Path, &str), Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::file("use", path, &"it names no file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((folder, name))
}
