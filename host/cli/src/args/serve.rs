//! `freehold serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::parse_threads;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ServeArguments {
    #[command(subcommand)]
    pub(crate) command: Option<ServeCommand>,
    /// Address and port; port 0 takes any that is free. Another address than 127.0.0.1 or [::1] needs API keys. Default:
    /// `serve.listen` in host.toml, else 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Look for base models, and for the plugins of the capture, below this folder; may be repeated
    #[arg(long = "folder", default_value = ".", value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// How many threads the engine may use; all of the machine if not said
    #[arg(long, value_name = "COUNT", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServeCommand {
    /// Make, list and revoke the API keys of clients
    #[command(subcommand)]
    Key(ServeKeyCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServeKeyCommand {
    /// Make an API key and print it: the home keeps its SHA-256 only. A server that runs knows it within two seconds
    New {
        /// Its name: lowercase letters, digits and hyphens
        name: String,
    },
    /// List the API keys
    List,
    /// Revoke an API key. A server that runs refuses it within two seconds
    Revoke {
        /// Its name
        name: String,
    },
}
