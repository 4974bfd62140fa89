//! Who asks, and whether he may.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST};
use freehold_workflow::serving::{Access, ApiKeys};

use crate::api::ApiError;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The holder of a key, by its name.
    Key(String),
    /// Somebody on this machine, where no key is needed.
    ThisMachine,
}

/// Who asks, if he may. `keys` is `None` if they cannot be read.
pub(crate) fn caller(keys: Option<&ApiKeys>, loopback: bool, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let keys = keys.ok_or_else(ApiError::unauthorized)?;
    match keys.access(loopback) {
        Access::Nobody => Err(ApiError::unauthorized()),
        Access::Keys => {
            let holder = bearer(headers).and_then(|presented| keys.holder(presented));
            holder.map(|key| Caller::Key(key.name.clone())).ok_or_else(ApiError::unauthorized)
        }
        Access::ThisMachine if is_own_host(headers) => Ok(Caller::ThisMachine),
        Access::ThisMachine => Err(ApiError::foreign_host()),
    }
}

/// The token of the one header that may have it.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// Whether the request names this machine by a name of its own. A page of a stranger's that a browser shows here can have its
/// own name point to this machine, but cannot make the browser name it otherwise.
fn is_own_host(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(HOST).iter();
    let Some(host) = values.next().filter(|_| values.next().is_none()).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
            _ => return false,
        },
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let own = name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    own || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use freehold_core::digest::Digest;
    use freehold_workflow::serving::ApiKeyEntry;
    use jiff::Timestamp;

    use super::*;

    fn key(name: &str, secret: &str, revoked: bool) -> ApiKeyEntry {
        let revoked = revoked.then_some(Timestamp::UNIX_EPOCH);
        let sha256 = Digest::of(secret.as_bytes());
        ApiKeyEntry { name: name.into(), sha256, created: Timestamp::UNIX_EPOCH, revoked }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn status(keys: Option<&ApiKeys>, loopback: bool, pairs: &[(&'static str, &str)]) -> u16 {
        caller(keys, loopback, &headers(pairs)).map_or_else(|error| error.status.as_u16(), |_| 200)
    }

    #[test]
    fn only_who_may_is_let_in() {
        let (none, some) = (ApiKeys::default(), ApiKeys::new(vec![key("a", "good", false), key("b", "old", true)]));
        let revoked = ApiKeys::new(vec![key("b", "old", true)]);
        let (good, old) = (("authorization", "Bearer good"), ("authorization", "Bearer old"));
        let local = ("host", "localhost:8080");
        for (keys, loopback, pairs, expected) in [
            (None, true, &[local, good][..], 401),
            (Some(&none), true, &[local], 200),
            (Some(&none), true, &[], 403),
            (Some(&none), true, &[("host", "evil.example")], 403),
            (Some(&none), false, &[local], 401),
            (Some(&none), false, &[local, good], 401),
            (Some(&some), true, &[local], 401),
            (Some(&some), true, &[good], 200),
            (Some(&some), false, &[good], 200),
            (Some(&some), false, &[old], 401),
            (Some(&some), false, &[("authorization", "bearer  good")], 200),
            (Some(&some), false, &[("authorization", "good")], 401),
            (Some(&some), false, &[("authorization", "Basic good")], 401),
            (Some(&some), false, &[("authorization", "Bearer ")], 401),
            (Some(&some), false, &[good, good], 401),
            (Some(&revoked), true, &[local], 401),
            (Some(&revoked), true, &[local, old], 401),
        ] {
            assert_eq!(status(keys, loopback, pairs), expected, "{keys:?} {loopback} {pairs:?}");
        }
    }

    #[test]
    fn this_machine_has_few_names() {
        for (host, own) in [
            ("localhost", true),
            ("LocalHost:80", true),
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example:127", false),
            ("0.0.0.0", false),
            ("192.168.0.1", false),
            ("[::1].evil.example", false),
            ("[::1", false),
        ] {
            assert_eq!(is_own_host(&headers(&[("host", host)])), own, "{host}");
        }
        assert!(!is_own_host(&headers(&[("host", "localhost"), ("host", "evil.example")])));
    }
}
