//! What a command that failed ends with, and what to do about it.

use super::*;

impl WorkflowError {
    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Resolution(error) => error.exit_code(),
            Self::Document(error) => error.exit_code(),
            Self::Bundle(error) if error.is_too_large() => ExitCode::Broken,
            Self::Pack(error) if error.is_unreadable() => ExitCode::Broken,
            Self::Bundle(_)
            | Self::Pack(_)
            | Self::Plugin(_)
            | Self::Yank(_)
            | Self::Root(_)
            | Self::Statement { .. }
            | Self::FalseApproval { .. }
            | Self::NotInRole { .. }
            | Self::Signers { .. }
            | Self::RolledBack { .. }
            | Self::OtherRoot { .. }
            | Self::RootOrder { .. }
            | Self::RootNotEntered(_) => ExitCode::Unverified,
            Self::Promotion { .. } | Self::Denied(_) => ExitCode::Denied,
            Self::Store(StoreError::Corrupt { .. } | StoreError::Missing(_)) => ExitCode::Unverified,
            Self::PulledChanged { .. } => ExitCode::Unverified,
            Self::Hub(error) if error.is_unverified() => ExitCode::Unverified,
            Self::Hub(error) if error.is_usage() => ExitCode::Usage,
            Self::Ledger(
                LedgerError::TreeHead(_)
                | LedgerError::Malformed { .. }
                | LedgerError::NoTreeHead
                | LedgerError::Roots(_)
                | LedgerError::MissingRoot(_)
                | LedgerError::Rollback { .. }
                | LedgerError::Fork(_)
                | LedgerError::Unproven(_)
                | LedgerError::LeftOut(_)
                | LedgerError::Proof(_)
                | LedgerError::Quorum { .. }
                | LedgerError::Unwitnessed { .. },
            ) => ExitCode::Unverified,
            Self::Ledger(LedgerError::NoWitnesses(_) | LedgerError::Older { .. })
            | Self::Change(_)
            | Self::Wording(_)
            | Self::NoRoot(_)
            | Self::NoHome(_)
            | Self::NoRun { .. }
            | Self::NoProfile { .. }
            | Self::NoModel { .. }
            | Self::NoAlias { .. }
            | Self::Approval { .. }
            | Self::Replay { .. }
            | Self::Drift(DriftError::Setting { .. })
            | Self::Rollback { .. }
            | Self::Rebase { .. }
            | Self::Start { .. }
            | Self::Question { .. }
            | Self::NoKey(_)
            | Self::NoApiKey(_)
            | Self::KeyExists(_)
            | Self::KeyLocked(_)
            | Self::NoPin(_)
            | Self::KeyInToken(_)
            | Self::Key { source: KeyError::TokenUri { .. } | KeyError::WrongPin(_), .. }
            | Self::Passphrase { .. }
            | Self::Key { source: KeyError::WrongPassphrase | KeyError::EmptyPassphrase, .. }
            | Self::Name(_) => ExitCode::Usage,
            _ => ExitCode::Broken,
        }
    }

    /// Whether a key is there that cannot be used as it is kept.
    pub(crate) fn is_closed_key(&self) -> bool {
        matches!(
            self,
            Self::KeyLocked(_)
                | Self::NoPin(_)
                | Self::Passphrase { .. }
                | Self::Key { source: KeyError::WrongPassphrase | KeyError::WrongPin(_), .. }
                | Self::File(FileError::Exposed { .. })
        )
    }

    /// What to do about it, if that is not in the message.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Recipe { error: RecipeError::Toml(error), .. } | Self::Toml { error, .. } => error.remedy.clone()?,
            Self::Plugin(error) => error.remedy(),
            Self::Bundle(error) => error.remedy(),
            Self::Pack(error) => error.remedy().into(),
            Self::Yank(error) | Self::Wording(error) => error.remedy(),
            Self::Resolution(error) => error.remedy(),
            Self::Document(error) => error.remedy()?,
            Self::Sandbox(error) => error.remedy(),
            Self::Hub(error) => error.remedy()?,
            Self::NotPulled(model) => {
                format!("fetch it with `freehold model pull {model}`; nothing else uses the network, and runs never do")
            }
            Self::PulledChanged { model, folder, .. } => {
                format!("remove the folder `{folder}` of the home and run `freehold model pull {model}`")
            }
            Self::NoHome(_) => "make one with `freehold init`, or name yours with `--home`".into(),
            Self::NoKey(_) => "make one with `freehold key new`; `freehold key list` shows what there is".into(),
            Self::Capture(_) => {
                "transforms are given the column `messages`; say so in their settings, as `settings = { columns = [\"messages\"] }` for freehold/redact-pii"
                    .into()
            }
            Self::NoApiKey(_) => "`freehold serve key list` shows those that there are".into(),
            Self::NoBase { .. } => "name the folder that it is below with `--folder`".into(),
            Self::KeyExists(_) => "choose another name; a key is never overwritten".into(),
            Self::KeyLocked(_) | Self::Key { source: KeyError::WrongPassphrase, .. } => {
                "give the passphrase in a file, `--passphrase-file FILE` or FREEHOLD_PASSPHRASE_FILE, or at a terminal".into()
            }
            Self::NoPin(_) | Self::Key { source: KeyError::WrongPin(_), .. } => {
                "give the PIN in a file, `--pin-file FILE` or FREEHOLD_PIN_FILE, or at a terminal; it is tried once, because tokens count"
                    .into()
            }
            Self::File(FileError::Exposed { path, .. }) => {
                format!("take it from the others: `chmod 600 {}`, in the home", path.display())
            }
            Self::KeyLost(name) => format!(
                "restore `keys/{name}.pem` from a copy; if the key was never used, remove `keys/{name}.pub.pem` and make it anew"
            ),
            Self::NotInRole { name, .. } => {
                format!("restore `keys/{name}.pem` and `keys/{name}.pub.pem` of this home from a copy")
            }
            Self::RootNotEntered(_) => {
                "if `freehold trust add` was interrupted, `freehold init` completes it; if not, the ledger lost entries"
                    .into()
            }
            Self::Root(RootError::Expired { .. }) => {
                "nothing runs under it; look at `freehold trust show`, then sign the next with `freehold trust renew`".into()
            }
            Self::Change(error) => crate::trust::remedy(error)?,
            Self::NoRoot(_) => "`freehold trust show` shows the newest; versions begin at 1".into(),
            Self::Signers { role, .. } => {
                format!("bring the missing keys of role {role} into the folder `keys` of this home; nothing was written")
            }
            Self::RolledBack { .. }
            | Self::OtherRoot { .. }
            | Self::RootOrder { .. }
            | Self::Ledger(LedgerError::MissingRoot(_)) => {
                "restore the folder `trust` from a copy that is as new as the ledger; each root is also in the store, by the digest in its entry"
                    .into()
            }
            Self::Ledger(LedgerError::Quorum { .. } | LedgerError::Unwitnessed { .. }) => {
                "`freehold audit checkpoint` prints what witnesses sign; `freehold audit witness FILE...` keeps what they signed"
                    .into()
            }
            Self::Ledger(LedgerError::NoWitnesses(_)) => {
                "name one with `freehold trust add --witness NAME --key KEY`; it then cosigns checkpoints made after that".into()
            }
            Self::Ledger(LedgerError::Rollback { .. } | LedgerError::Fork(_)) => {
                "do not go on with this ledger: whoever gave you the checkpoint saw another one; restore the folder `ledger` from a copy".into()
            }
            Self::Ledger(LedgerError::TreeHead(_)) => {
                "restore the folders `trust` and `ledger` from one copy: the log keys in the one sign the other".into()
            }
            Self::Rollback { alias, .. } => {
                format!("`freehold audit history {alias}` shows what it named; `--to RUN` names one of them")
            }
            Self::Incomparable { .. } => {
                "name another with `--model ALIAS|RUN`; `freehold audit list` shows all".into()
            }
            Self::HooksFull { .. } => "start its watch: `freehold watch` takes them away".into(),
            Self::Denied(denial) => denial.remedy().into(),
            Self::Promotion { run, refusal, .. } => refusal.remedy(run),
            Self::NoAlias { .. } => "say which with `--alias NAME`; it may be one that names nothing yet".into(),
            Self::Superseded { .. } => "run again, to be compared with what is there now".into(),
            Self::Ledger(LedgerError::NoTreeHead) => {
                "restore the folder `ledger` from a copy; a new log would hide what was recorded".into()
            }
            Self::Locked { .. } => "run without --locked to accept the changes, or undo them".into(),
            Self::NoLockfile(_) => "run once without --locked to write it".into(),
            Self::NoPlugin { .. } => {
                "sign one into the folder with `freehold plugin sign`, or change `version` in the recipe".into()
            }
            Self::Path { .. } => {
                "correct the path; it is relative to the recipe, or absolute below a folder that `--root FOLDER` allows"
                    .into()
            }
            Self::File(error) | Self::Store(StoreError::File(error)) | Self::Ledger(LedgerError::File(error))
                if error.is_no_space() =>
            {
                "free space where the home is, or raise the limit, then give the same command again: nothing half-written \
                 stays, and a run goes on from its last checkpoint"
                    .into()
            }
            Self::File(error) if error.leads_out() => {
                "put the files themselves into the folder: no link in it is followed out of it".into()
            }
            Self::Unfit(problem) => problem.remedy(),
            Self::EmptySplit { .. } => "check the data, and the settings of the transforms that dropped rows".into(),
            Self::NoColumn { .. } => {
                format!(
                    "add a transform that makes it, such as freehold/chat-format, or bring dialogues in the data: {}",
                    freehold_rows::ACCEPTED
                )
            }
            Self::Store(StoreError::Corrupt { .. } | StoreError::Missing(_)) => {
                "`freehold audit verify` names everything that is wrong; restore the file from a copy".into()
            }
            _ => return None,
        })
    }
}
