//! Tools that others wrote, in Python, for tests that hold our documents against them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Outcome, target, workspace};

/// What pip installs; every version is pinned.
const REQUIREMENTS: &str = "tests/interop/requirements.txt";

/// A Python with the tools of `tests/interop/requirements.txt`.
pub struct Tools {
    venv: PathBuf,
}

impl Tools {
    /// The tools, installed below `target` by whichever test comes first. `None`, with a word on stderr, where Python or the
    /// packages cannot be had.
    pub fn find() -> Option<Self> {
        let folder = target().join("interop");
        std::fs::create_dir_all(&folder).unwrap();
        // Tests are processes of their own, and run beside each other.
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let wanted = std::fs::read_to_string(workspace().join(REQUIREMENTS)).unwrap();
        let (venv, installed) = (folder.join("venv"), folder.join("installed.txt"));
        if std::fs::read_to_string(&installed).is_ok_and(|found| found == wanted) && python(&venv).is_file() {
            return Some(Self { venv });
        }
        match install(&venv) {
            Ok(()) => {
                std::fs::write(&installed, wanted).unwrap();
                Some(Self { venv })
            }
            Err(why) => {
                skipped(&format!("the tools of {REQUIREMENTS} cannot be installed: {why}"));
                None
            }
        }
    }

    /// Runs a tool by its name.
    pub fn run(&self, tool: &str, arguments: &[&str], folder: &Path) -> Outcome {
        let program = self.venv.join("bin").join(tool);
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Runs a script of `tests/interop`, which says what does not hold and exits with 1.
    pub fn script(&self, script: &str, arguments: &[&str], folder: &Path) -> Outcome {
        let script = workspace().join("tests/interop").join(script);
        let script = script.to_str().unwrap();
        self.run("python", &[&[script], arguments].concat(), folder)
    }
}

/// Says that something was not tested. The runner shows it with `--success-output`, and wherever it shows stderr.
pub fn skipped(why: &str) {
    // To the file itself: the test harness would keep what is printed.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

fn python(venv: &Path) -> PathBuf {
    venv.join("bin/python")
}

fn install(venv: &Path) -> Result<(), String> {
    let requirements = workspace().join(REQUIREMENTS);
    let (venv_text, requirements) = (venv.to_str().unwrap(), requirements.to_str().unwrap());
    succeed(Command::new("python3").args(["-m", "venv", "--clear", venv_text]))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    succeed(Command::new(python(venv)).args(pip).arg(requirements))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let Output { status, stderr, .. } = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let last = |text: &[u8]| String::from_utf8_lossy(text).lines().last().unwrap_or_default().to_owned();
    if status.success() { Ok(()) } else { Err(last(&stderr)) }
}
