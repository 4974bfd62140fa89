//! Where passphrases and PINs come from: a file, or whoever sits at the terminal. Never an argument, which everyone on the machine sees.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use freehold_files::FileError;
use freehold_trust::Passphrase;
use freehold_workflow::{ExitCode, PassphraseSource};

use crate::commands::{open_folder, split};
use crate::failure::Failure;

const FILE_BYTES_MAX: u64 = 4 << 10;
/// How often a person may mistype.
const ATTEMPTS: u32 = 3;

/// Where passphrases come from.
#[derive(Debug, Clone)]
pub(crate) struct Passphrases {
    file: Option<PathBuf>,
    pin_file: Option<PathBuf>,
}

impl Passphrases {
    pub(crate) fn new(file: Option<PathBuf>, pin_file: Option<PathBuf>) -> Self {
        Self { file, pin_file }
    }

    /// A passphrase for what is to be encrypted. A person says it twice.
    pub(crate) fn choose(&self, key: &str) -> Result<Passphrase, Failure> {
        let failed = |message: String| Failure::new(ExitCode::Usage, message, REMEDY);
        if let Some(file) = &self.file {
            return read(file).map_err(failed);
        }
        if !std::io::stdin().is_terminal() {
            return Err(failed(format!("there is no passphrase for the key `{key}`")));
        }
        let passphrase = prompt(&format!("Passphrase of the key `{key}` from now on: ")).map_err(failed)?;
        let again = prompt("The same again: ").map_err(failed)?;
        if again.is(&passphrase) { Ok(passphrase) } else { Err(failed("the passphrases are not the same".into())) }
    }
}

const REMEDY: &str = "give one in a file, `--passphrase-file FILE` or FREEHOLD_PASSPHRASE_FILE, or at a terminal";

impl PassphraseSource for Passphrases {
    fn passphrase(&self, key: &str, attempt: u32) -> Result<Option<Passphrase>, String> {
        match &self.file {
            Some(file) if attempt == 0 => read(file).map(Some),
            None if attempt < ATTEMPTS && std::io::stdin().is_terminal() => {
                let wrong = if attempt == 0 { "" } else { "That is another one. " };
                prompt(&format!("{wrong}Passphrase of the key `{key}`: ")).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn pin(&self, key: &str) -> Result<Option<Passphrase>, String> {
        match &self.pin_file {
            Some(file) => read(file).map(Some),
            None if std::io::stdin().is_terminal() => {
                prompt(&format!("PIN of the token of the key `{key}`: ")).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// The first line of a file that only its owner may read.
fn read(path: &Path) -> Result<Passphrase, String> {
    let (folder, name) = split(path).map_err(|error| error.to_string())?;
    let dir = open_folder(folder).map_err(|error| error.to_string())?;
    let bytes = freehold_files::read_secret(&dir, name, FILE_BYTES_MAX).map_err(|error| match error {
        FileError::Exposed { .. } => format!("{error}; `chmod 600 {}`", path.display()),
        error => error.to_string(),
    })?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| format!("`{}` is not UTF-8", path.display()))?;
    Passphrase::new(text.to_owned()).map_err(|error| format!("`{}`: {error}", path.display()))
}

/// Asks at the terminal; what is typed is not shown.
fn prompt(question: &str) -> Result<Passphrase, String> {
    let text = rpassword::prompt_password(question).map_err(|error| format!("the terminal: {error}"))?;
    Passphrase::new(text).map_err(|error| error.to_string())
}
