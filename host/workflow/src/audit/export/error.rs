//! Why a document for other tools cannot be made.

use freehold_core::record::Phase;

use crate::ExitCode;

/// A document for other tools cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// There is no key that those tools know.
    #[error("there is no P-256 key{}", .0.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default())]
    NoKey(Option<String>),
    /// There are several such keys, and none was named.
    #[error("there are several P-256 keys: {}", .0.join(", "))]
    WhichKey(Vec<String>),
    /// The run has come to no decision.
    #[error("run `{run}` is unfinished: its last finished phase is {phase}")]
    Unfinished {
        /// The run.
        run: String,
        /// Its last phase.
        phase: Phase,
    },
    /// The run was denied before anything was trained.
    #[error("run `{0}` has no adapter: it was denied before it trained")]
    NoAdapter(String),
    /// What the home has of a run does not verify.
    #[error("run `{run}` does not verify: {what}: {problem}")]
    Unsound {
        /// The run.
        run: String,
        /// The first thing that is wrong.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A folder cannot be signed.
    #[error("the folder cannot be signed: {0}")]
    Folder(String),
}

impl DocumentError {
    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NoKey(_) => {
                "make one with `freehold key new NAME --p256`; other tools know no Ed25519, with which records are signed"
                    .into()
            }
            Self::WhichKey(_) => "name one with `--key NAME`".into(),
            Self::Unfinished { .. } => "run its recipe again: it goes on after its last finished phase".into(),
            Self::NoAdapter(_) => "`--format vsa` and `--format csv` say what was decided, and why".into(),
            Self::Unsound { .. } => "`freehold audit verify` names everything that is wrong".into(),
            Self::Folder(_) => return None,
        })
    }

    /// The exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Folder(_) => ExitCode::Broken,
            Self::Unsound { .. } => ExitCode::Unverified,
            _ => ExitCode::Usage,
        }
    }
}
