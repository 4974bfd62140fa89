//! Why a server cannot be started.

use std::net::SocketAddr;

use freehold_workflow::WorkflowError;

/// A server cannot be started, or ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Others than this machine could ask, and nobody has a key.
    #[error("`{0}` can be reached from other machines, and no API key lets anybody in")]
    Exposed(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system gives no threads, signals or handles.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The home does not do what is needed.
    #[error(transparent)]
    Home(#[from] WorkflowError),
}

impl ServeError {
    pub(crate) fn system(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// What to do about it, if that is not in the message.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Exposed(_) => {
                Some("make a key with `freehold serve key new NAME`, or listen on 127.0.0.1 or [::1]".into())
            }
            Self::Listen { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => {
                Some("name another with `--listen`; port 0 takes any that is free".into())
            }
            Self::Listen { .. } | Self::System { .. } => None,
            Self::Home(error) => error.remedy(),
        }
    }
}
