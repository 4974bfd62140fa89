//! Where the hub is, and what opens it.

use std::fmt;
use std::str::FromStr;

use crate::HubError;

/// The hub that models are fetched from if no other is named.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// A hub and the token for it.
#[derive(Debug, Clone)]
pub struct Access {
    pub(crate) endpoint: Endpoint,
    pub(crate) token: Option<Token>,
}

impl Access {
    /// A token is only given to a hub that is asked under encryption, or is on this machine.
    pub fn new(endpoint: Endpoint, token: Option<Token>) -> Result<Self, HubError> {
        if token.is_some() && !endpoint.is_encrypted() && !endpoint.is_local() {
            return Err(HubError::TokenInTheOpen { endpoint: endpoint.to_string() });
        }
        Ok(Self { endpoint, token })
    }

    /// The address of the hub, in which there are no secrets.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// The address of a hub: a scheme, a host, perhaps a path. No user and no query, where secrets could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    /// Where the path begins.
    origin: usize,
}

impl Endpoint {
    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    /// Whether all requests have to be encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.text.starts_with("https://")
    }

    /// Whether it is on this machine and asked in the open.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.origin().trim_start_matches("http://");
        let host = if host.ends_with(']') { host } else { host.rsplit_once(':').map_or(host, |(host, _)| host) };
        !self.is_encrypted() && matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    }
}

impl FromStr for Endpoint {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let failed = |problem| HubError::Endpoint { problem };
        let text = text.trim_end_matches('/');
        let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
        let scheme = scheme.ok_or_else(|| failed("it begins with neither https:// nor http://"))?;
        let rest = &text[scheme.len()..];
        if rest.contains('@') {
            return Err(failed("it has a user or a password in it, which would be written into records"));
        }
        if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b)) {
            return Err(failed("it has a query or other characters in it that an address of a hub has not"));
        }
        let host = rest.find('/').unwrap_or(rest.len());
        if host == 0 {
            return Err(failed("it names no host"));
        }
        Ok(Self { text: text.into(), origin: scheme.len() + host })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A token of a user of a hub. It is never shown.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let text = text.trim();
        let sendable = !text.is_empty() && text.len() <= 4096 && text.bytes().all(|b| b.is_ascii_graphic());
        if sendable { Ok(Self(text.into())) } else { Err(HubError::Token) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(...)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_holds_no_secrets() {
        let endpoint: Endpoint = "https://hub.example:8443/mirror/".parse().unwrap();
        assert_eq!(
            (endpoint.to_string().as_str(), endpoint.origin()),
            ("https://hub.example:8443/mirror", "https://hub.example:8443")
        );
        for text in [
            "",
            "huggingface.co",
            "file:///etc",
            "https://",
            "https:///path",
            "https://me:secret@hub.example",
            "https://hub.example/?token=secret",
            "https://hub.example/#x",
            "https://hub.example/a b",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_token_goes_only_where_nobody_listens() {
        let access = |endpoint: &str| Access::new(endpoint.parse().unwrap(), Some("hf_secret".parse().unwrap()));
        for endpoint in
            ["https://hub.example", "http://127.0.0.1:80", "http://localhost", "http://[::1]:8080/x", "http://[::1]"]
        {
            assert!(access(endpoint).is_ok(), "{endpoint}");
        }
        for endpoint in
            ["http://hub.example", "http://127.0.0.1.example", "http://localhost.example:80", "http://10.0.0.1"]
        {
            assert!(access(endpoint).is_err(), "{endpoint}");
        }
        assert!(!format!("{:?}", access("https://hub.example").unwrap()).contains("secret"));
        for token in ["", "a b", "a\r\nHost: b", "ä"] {
            assert!(token.parse::<Token>().is_err(), "{token}");
        }
    }
}
