//! The hub's protocol: what a revision is, what a file is, and its bytes.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use freehold_core::digest::Digest;
use freehold_core::hub::{Commit, HubModel};
use hf_hub::api::sync::{Api, ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::WithoutBody;
use ureq::{Body, RequestBuilder};

use crate::{Access, HubError};

/// The longest list of a model's files, in bytes.
const INFO_LIMIT: u64 = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How often an address on the hub itself may lead to another one, as after a model was renamed.
const REDIRECTS_MAX: usize = 3;

/// A hub, asked about one model.
pub(crate) struct Client {
    api: Api,
    access: Access,
    model: HubModel,
}

/// What a revision is.
pub(crate) struct Revision {
    pub(crate) commit: Commit,
    /// Names of files, as the server says them.
    pub(crate) names: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// What the hub promises of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Promise {
    /// In bytes.
    pub(crate) size: u64,
    /// Of the files that the hub keeps outside of git: the large ones.
    pub(crate) digest: Option<Digest>,
}

/// The bytes of a file.
pub(crate) struct Opened {
    /// Where in the file they begin.
    pub(crate) from: u64,
    /// How many the server says it sends.
    pub(crate) length: Option<u64>,
    pub(crate) reader: Box<dyn Read>,
}

impl Client {
    pub(crate) fn new(access: &Access, model: &HubModel) -> Result<Self, HubError> {
        // hf-hub looks for a token beside its cache. There is no cache, and nothing can be below this path.
        let nowhere = Cache::new(PathBuf::from("/dev/null/hub"));
        let builder = ApiBuilder::from_cache(nowhere)
            .with_endpoint(access.endpoint.to_string())
            .with_token(access.token.as_ref().map(|token| token.secret().to_owned()));
        let failed = |_| HubError::Unreachable { endpoint: access.endpoint.to_string(), reason: "no client".into() };
        Ok(Self { api: builder.build().map_err(failed)?, access: access.clone(), model: model.clone() })
    }

    fn repo(&self, revision: &str) -> ApiRepo {
        let name = format!("{}/{}", self.model.org(), self.model.name());
        self.api.repo(Repo::with_revision(name, RepoType::Model, revision.into()))
    }

    /// A request to the hub that is answered whatever its status is. A redirect to another host is followed without the token;
    /// none leads from an encrypted hub into the open.
    fn request(&self, repo: &ApiRepo, url: Option<&str>) -> RequestBuilder<WithoutBody> {
        let request = repo.info_request();
        let config = match url {
            Some(url) => request.uri(url).config(),
            None => request.config(),
        };
        // The proxy that the environment names is for other machines.
        let config = if self.access.endpoint.is_local() { config.proxy(None) } else { config };
        config
            .http_status_as_error(false)
            .https_only(self.access.endpoint.is_encrypted())
            // Whom the machine trusts decides, so that a mirror may have a certificate of its owner's own authority.
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            // Lengths and ranges are those of the file.
            .accept_encoding("identity")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .build()
    }

    fn send(&self, request: RequestBuilder<WithoutBody>) -> Result<Response<Body>, HubError> {
        let failed =
            |error| HubError::Unreachable { endpoint: self.access.endpoint.to_string(), reason: reason(&error) };
        request.call().map_err(failed)
    }

    /// The commit that the revision stands for, and its files.
    pub(crate) fn revision(&self) -> Result<Revision, HubError> {
        let what = format!("`{}`", self.model);
        let failed = |problem: &str| HubError::Answer { what: what.clone(), problem: problem.into() };
        let mut response = self.send(self.request(&self.repo(self.model.revision()), None))?;
        self.check(&response, &what)?;
        let text = response.body_mut().with_config().limit(INFO_LIMIT).read_to_vec();
        let text = text.map_err(|error| failed(&reason(&error)))?;
        let info: Info = serde_json::from_slice(&text).map_err(|error| failed(&error.to_string()))?;
        let commit: Commit = info.sha.parse().map_err(|_| failed("its `sha` is not a commit"))?;
        if self.model.revision().parse().is_ok_and(|asked: Commit| asked != commit) {
            return Err(failed("it is about another commit than the one that was asked for"));
        }
        Ok(Revision { commit, names: info.siblings.into_iter().map(|sibling| sibling.rfilename).collect() })
    }

    /// What the hub promises of a file. Its name has to be a plain one.
    pub(crate) fn promise(&self, commit: &Commit, file: &str) -> Result<Promise, HubError> {
        let what = format!("`{file}`");
        let failed = |problem: &str| HubError::Answer { what: what.clone(), problem: problem.into() };
        let repo = self.repo(commit.as_str());
        let mut url = repo.url(file);
        for _ in 0..=REDIRECTS_MAX {
            // As hf-hub and the hub's own library do: what is said of one byte is said of the file.
            let request = self.request(&repo, Some(&url)).header("Range", "bytes=0-0");
            let response = self.send(request.config().max_redirects(0).max_redirects_will_error(false).build())?;
            let headers = response.headers();
            let linked = header(headers, "x-linked-etag");
            if response.status().is_redirection() && linked.is_none() {
                // Only to another path on the hub itself.
                let path = header(headers, "location").filter(|to| to.starts_with('/') && !to.starts_with("//"));
                let path = path.ok_or_else(|| failed("it leads to another server and does not say what is there"))?;
                url = format!("{}{path}", self.access.endpoint.origin());
                continue;
            }
            if response.status() == 416 && header(headers, "content-range") == Some("bytes */0") {
                return Ok(Promise { size: 0, digest: None });
            }
            if !response.status().is_redirection() {
                self.check(&response, &what)?;
            }
            if header(headers, "x-repo-commit").is_some_and(|found| found != commit.as_str()) {
                return Err(failed("it is about another commit than the one that was asked for"));
            }
            let size = match header(headers, "x-linked-size") {
                Some(size) => size.parse().ok(),
                None if response.status() == 206 => content_range(headers).map(|(_, size)| size),
                None => header(headers, "content-length").and_then(|size| size.parse().ok()),
            };
            let size = size.ok_or_else(|| failed("it does not say how long the file is"))?;
            let digest = match linked {
                Some(tag) => {
                    let digest = format!("sha256:{}", tag.trim_start_matches("W/").trim_matches('"')).parse();
                    Some(digest.map_err(|_| failed("its `X-Linked-Etag` is not a SHA-256"))?)
                }
                None => None,
            };
            return Ok(Promise { size, digest });
        }
        Err(failed("it leads from one address to another without an end"))
    }

    /// The bytes of a file from `from` on, or from the beginning if the server does not send parts.
    pub(crate) fn open(&self, commit: &Commit, file: &str, from: u64, size: u64) -> Result<Opened, HubError> {
        let what = format!("`{file}`");
        let failed = |problem: &str| HubError::Answer { what: what.clone(), problem: problem.into() };
        let repo = self.repo(commit.as_str());
        let mut request = self.request(&repo, Some(&repo.url(file)));
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = self.send(request)?;
        self.check(&response, &what)?;
        let from = match (response.status().as_u16(), content_range(response.headers())) {
            (206, Some((start, whole))) if start == from && whole == size => from,
            (206, _) => return Err(failed("it sends another part than the one that was asked for")),
            _ => 0,
        };
        let length = header(response.headers(), "content-length").and_then(|length| length.parse().ok());
        Ok(Opened { from, length, reader: Box::new(response.into_body().into_reader()) })
    }

    /// Whether the answer is one.
    fn check(&self, response: &Response<Body>, what: &str) -> Result<(), HubError> {
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let (model, with_token) = (self.model.to_string(), self.access.token.is_some());
        Err(match (status.as_u16(), header(response.headers(), "x-error-code")) {
            (401 | 403, Some("GatedRepo")) => HubError::Gated { model, with_token },
            (404, Some("RevisionNotFound")) => HubError::NoRevision { model },
            // The hub says 401 of a model that is not there to who has no token.
            (401 | 404, Some("RepoNotFound")) => HubError::NoModel { model, with_token },
            (401 | 403, _) => HubError::Unauthorized { model, with_token },
            (404, None) if what == format!("`{}`", self.model) => HubError::NoModel { model, with_token },
            (status, _) => HubError::Status { status, what: what.into() },
        })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Start and size of the whole in `bytes START-END/SIZE`.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (range, size) = header(headers, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, size.parse().ok()?))
}

/// What went wrong, without the addresses in ureq's own words: those of files may have signatures in them.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "there is no such host".into(),
        ureq::Error::Timeout(_) => "it does not answer in time".into(),
        ureq::Error::ConnectionFailed => "no connection".into(),
        ureq::Error::RequireHttpsOnly(_) => "it leads to an address that is not encrypted".into(),
        ureq::Error::TooManyRedirects => "it leads from one address to another without an end".into(),
        ureq::Error::ConnectProxyFailed(_) => "the proxy refuses the connection".into(),
        ureq::Error::BadUri(_) => "it leads to something that is not an address".into(),
        ureq::Error::BodyExceedsLimit(limit) => format!("it is longer than {limit} bytes"),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        ureq::Error::Protocol(_) => "it does not speak HTTP".into(),
        _ => "the request failed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_where_it_begins() {
        let parsed = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-range", text.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(parsed("bytes 5-9/10"), Some((5, 10)));
        for text in ["bytes 5-9/*", "bytes */10", "5-9/10", "bytes -9/10", ""] {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert_eq!(content_range(&HeaderMap::new()), None);
    }
}
