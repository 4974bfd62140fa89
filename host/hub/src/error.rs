//! Why a model cannot be fetched. No variant has room for a token or for what a server says at length.

use freehold_core::digest::Digest;
use freehold_files::FileError;

use crate::access::DEFAULT_ENDPOINT;

/// A model cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The address of the hub cannot be used.
    #[error("the address of the hub cannot be used: {problem}")]
    Endpoint {
        /// Why not.
        problem: &'static str,
    },
    /// The token cannot be sent.
    #[error(
        "the token for the hub cannot be one: it is empty, longer than 4096 characters, or has others than visible ASCII"
    )]
    Token,
    /// The token would be sent in the open.
    #[error("the token is not sent to `{endpoint}`: everyone on the way could read it")]
    TokenInTheOpen {
        /// The hub.
        endpoint: String,
    },
    /// The hub cannot be reached.
    #[error("the hub `{endpoint}` cannot be reached: {reason}")]
    Unreachable {
        /// The hub.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// The hub wants to know who asks, or does not know the token.
    #[error("the hub does not give `{model}` to {}", if *.with_token { "the owner of this token" } else { "everyone" })]
    Unauthorized {
        /// The model.
        model: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The model is only given to those who agreed to something.
    #[error("`{model}` is gated: its owner gives it to those who asked for access")]
    Gated {
        /// The model.
        model: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The hub has no such model, or does not say so.
    #[error("the hub has no model `{model}`, or none that it shows {}", if *.with_token { "to the owner of this token" } else { "without a token" })]
    NoModel {
        /// The model.
        model: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The model has no such revision.
    #[error("`{model}`: there is no such branch, tag or commit")]
    NoRevision {
        /// The model.
        model: String,
    },
    /// The hub answers with an error.
    #[error("the hub answers with status {status} when asked for {what}")]
    Status {
        /// The status.
        status: u16,
        /// What was asked for.
        what: String,
    },
    /// The hub answers with something else than its protocol says.
    #[error("the hub's answer about {what} cannot be used: {problem}")]
    Answer {
        /// What was asked for.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// A file that the engine needs is not there.
    #[error("`{model}` has no `{file}`")]
    MissingFile {
        /// The model.
        model: String,
        /// The file.
        file: &'static str,
    },
    /// The index of the weights names a file that is none of the model's, or that leads out of its folder.
    #[error("the index of the weights names {name:?}, which is not a safetensors file beside it")]
    HostileName {
        /// The name.
        name: String,
    },
    /// The connection broke and could not be taken up again.
    #[error("the connection broke after {have} of {size} bytes of `{file}`: {reason}")]
    Broken {
        /// The file.
        file: String,
        /// How many bytes are on the disk.
        have: u64,
        /// How many there are.
        size: u64,
        /// Why.
        reason: String,
    },
    /// A file is longer or shorter than promised.
    #[error("`{file}` was promised with {promised} bytes, the server sends {sent}")]
    WrongLength {
        /// The file.
        file: String,
        /// What the hub said before.
        promised: u64,
        /// What came, as far as is known.
        sent: u64,
    },
    /// A file has other bytes than promised.
    #[error("`{file}` has {found}, the hub promised {promised}")]
    OtherBytes {
        /// The file.
        file: String,
        /// What the hub said before.
        promised: Digest,
        /// What came.
        found: Digest,
    },
    /// The disk is full.
    #[error("the disk is full after {have} of {size} bytes of `{file}`")]
    DiskFull {
        /// The file.
        file: String,
        /// How many bytes are on the disk.
        have: u64,
        /// How many there are.
        size: u64,
    },
    /// A file cannot be written or read.
    #[error("cannot {action} `{file}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
}

const GOES_ON: &str = "what was fetched stays in files that end in `.part`, and the same command goes on from there";

impl HubError {
    /// Whether what came is not what was promised.
    pub fn is_unverified(&self) -> bool {
        matches!(self, Self::OtherBytes { .. } | Self::HostileName { .. })
    }

    /// Whether the command was used in a way that it has not.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Endpoint { .. } | Self::Token | Self::TokenInTheOpen { .. })
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Endpoint { .. } => {
                format!("set HF_ENDPOINT to an address such as {DEFAULT_ENDPOINT}, or unset it; a token belongs in HF_TOKEN")
            }
            Self::Token => "set HF_TOKEN to a token of the hub, or unset it".into(),
            Self::TokenInTheOpen { .. } => "name the hub with https:// in HF_ENDPOINT, or unset HF_TOKEN".into(),
            Self::Unreachable { .. } => {
                "check the network and HF_ENDPOINT; only `freehold model pull` needs the hub, runs with pulled models do not".into()
            }
            Self::Unauthorized { with_token: true, .. } => "check HF_TOKEN: it may have expired or lack the right to read".into(),
            Self::Unauthorized { with_token: false, .. } => {
                "check the name; if it is right, set HF_TOKEN to a token with the right to read it".into()
            }
            Self::Gated { with_token: true, .. } => {
                "ask for access on the model's page, as the owner of the token in HF_TOKEN".into()
            }
            Self::Gated { with_token: false, .. } => {
                "ask for access on the model's page, then set HF_TOKEN to a token of yours".into()
            }
            Self::NoModel { with_token: true, .. } => "check the name, and whose token is in HF_TOKEN".into(),
            Self::NoModel { with_token: false, .. } => "check the name; a private model needs a token in HF_TOKEN".into(),
            Self::NoRevision { .. } => "name a branch, tag or commit that the model's page shows, such as `@main`".into(),
            Self::Status { status: 429, .. } => format!("the hub has too many requests: wait, or set HF_TOKEN; {GOES_ON}"),
            Self::Status { status: 500.., .. } => format!("try again later; {GOES_ON}"),
            Self::Broken { .. } => format!("run the command again: {GOES_ON}"),
            Self::DiskFull { have, size, .. } => {
                format!("free {} bytes and more, then run the command again: {GOES_ON}", size.saturating_sub(*have))
            }
            Self::MissingFile { .. } => {
                "a model has to have config.json, tokenizer.json and its weights as safetensors; other formats are not read".into()
            }
            Self::WrongLength { .. } | Self::OtherBytes { .. } => {
                "nothing of the file was kept; run the command again, and do not use this hub or mirror if it happens again".into()
            }
            Self::HostileName { .. } => "nothing was kept of it; do not use this model".into(),
            Self::File(error) if error.leads_out() => "put no links into the folder `models` of the home".into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_is_told_what_to_do() {
        let gated = |with_token| HubError::Gated { model: "hf:a/b@main".into(), with_token };
        assert!(gated(false).remedy().unwrap().contains("set HF_TOKEN"));
        assert!(!gated(true).remedy().unwrap().contains("set HF_TOKEN"));
        let full = HubError::DiskFull { file: "model.safetensors".into(), have: 10, size: 30 };
        assert!(full.remedy().unwrap().contains("free 20 bytes"));
        assert!(!full.is_unverified());
    }
}
