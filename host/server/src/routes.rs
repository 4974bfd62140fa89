//! Paths, and what is asked of every request before it is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::access::{Caller, caller};
use crate::api::{self, ApiError, Endpoint};
use crate::hooks;
use crate::shared::Shared;

type App = State<Arc<Shared>>;

/// All paths.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let only_get = |method: Method| async move { ApiError::wrong_method(method.as_str(), "GET") };
    let only_post = |method: Method| async move { ApiError::wrong_method(method.as_str(), "POST") };
    let other = |method: Method, uri: Uri| async move { ApiError::no_path(method.as_str(), uri.path()) };
    Router::new()
        .route("/v1/chat/completions", post(chat).fallback(only_post))
        .route("/v1/completions", post(completions).fallback(only_post))
        .route("/v1/models", get(models).fallback(only_get))
        .route("/v1/models/{*id}", get(model).fallback(only_get))
        .route("/hooks/{recipe}/{trigger}", post(hook).fallback(only_post))
        .route("/health", get(health).fallback(only_get))
        .route("/ready", get(ready).fallback(only_get))
        .route("/metrics", get(metrics).fallback(only_get))
        .fallback(other)
        .with_state(shared)
}

fn who(shared: &Shared, request: &Request) -> Result<Caller, ApiError> {
    caller(shared.current.keys().as_deref(), shared.loopback, request.headers())
}

fn as_json(status: StatusCode, value: &Value) -> Response {
    let mut response = (status, value.to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn chat(State(shared): App, request: Request) -> Response {
    complete(&shared, Endpoint::Chat, request).await
}

async fn completions(State(shared): App, request: Request) -> Response {
    complete(&shared, Endpoint::Completions, request).await
}

async fn complete(shared: &Arc<Shared>, endpoint: Endpoint, request: Request) -> Response {
    let received = Instant::now();
    let caller = who(shared, &request).and_then(|caller| is_fit(shared, &request).map(|()| caller));
    let taken = match caller {
        Ok(caller) => body(shared, request).await.map(|body| (caller, body)),
        Err(error) => Err(error),
    };
    match taken {
        Ok((caller, body)) => api::reply(shared, endpoint, caller, (received, body)).await,
        Err(error) => {
            shared.metrics.answered("", endpoint.as_str(), error.status.as_u16());
            error.into_response()
        }
    }
}

/// Whether the head of a request says that its body is JSON, and not too large.
fn is_fit(shared: &Shared, request: &Request) -> Result<(), ApiError> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(ApiError::not_json());
    }
    let (bytes, most) =
        (header(CONTENT_LENGTH).and_then(|bytes| bytes.parse::<u64>().ok()), shared.settings.body_bytes_max);
    if bytes.is_some_and(|bytes| bytes > most) { Err(ApiError::too_large(most)) } else { Ok(()) }
}

/// The body, if it is not too large and comes in time.
async fn body(shared: &Shared, request: Request) -> Result<Bytes, ApiError> {
    let settings = &shared.settings;
    let most = usize::try_from(settings.body_bytes_max).unwrap_or(usize::MAX);
    let collected = Limited::new(request.into_body(), most).collect();
    let collected = timeout(Duration::from_secs(settings.body_seconds_max), collected).await;
    match collected.map_err(|_| ApiError::slow_body())? {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(settings.body_bytes_max)),
        Err(_) => Err(ApiError::body("the body did not come whole")),
    }
}

/// Asks the watch of a recipe for an event.
async fn hook(State(shared): App, Path(asked): Path<(String, String)>, request: Request) -> Result<Response, ApiError> {
    who(&shared, &request)?;
    is_fit(&shared, &request)?;
    let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
    if !shared.settings.hooks.contains(&format!("{}/{}", asked.0, asked.1)) {
        return Err(ApiError::no_path(method.as_str(), uri.path()));
    }
    let body = body(&shared, request).await?;
    hooks::ask(&shared, asked, &headers, &body).await.map(|value| as_json(StatusCode::ACCEPTED, &value))
}

async fn models(State(shared): App, request: Request) -> Result<Response, ApiError> {
    who(&shared, &request)?;
    Ok(as_json(StatusCode::OK, &api::list(&shared.current.catalogue())))
}

async fn model(State(shared): App, request: Request) -> Result<Response, ApiError> {
    who(&shared, &request)?;
    let name = request.uri().path().strip_prefix("/v1/models/").unwrap_or_default();
    let name = decoded(name).ok_or_else(|| ApiError::no_model(name, None))?;
    api::show(&shared.current.catalogue(), &name).map(|value| as_json(StatusCode::OK, &value))
}

/// A part of a path without its percent-encoding (RFC 3986, 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? << 4 | digit(rest.next())?).ok()?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Whether the process is there; to those who may ask, what it serves and what not, and why.
async fn health(State(shared): App, request: Request) -> Response {
    let mut value = json!({ "status": "ok" });
    if who(&shared, &request).is_ok() {
        let catalogue = shared.current.catalogue();
        value["models"] = catalogue
            .models
            .iter()
            .map(|(name, served)| {
                let base = json!({ "name": served.base.name, "digest": served.base.digest });
                json!({ "model": name, "adapter": served.adapter, "run": served.run, "base": base })
            })
            .collect();
        value["refused"] = json!(catalogue.refused);
        value["problem"] = json!(catalogue.problem);
        value["entries"] = json!(catalogue.ground.entries);
    }
    as_json(StatusCode::OK, &value)
}

/// Whether requests are answered: something is served, its threads are there, and the server is not about to end.
async fn ready(State(shared): App) -> Response {
    let catalogue = shared.current.catalogue();
    let alive = catalogue.models.values().all(|served| served.ready.lane.is_alive());
    let ending = shared.is_ending.load(Ordering::Relaxed);
    let status = match (catalogue.models.is_empty(), alive, ending) {
        (_, _, true) => "ending",
        (true, ..) => "nothing is served",
        (_, false, _) => "a model has stopped",
        _ => "ready",
    };
    let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    as_json(code, &json!({ "status": status }))
}

async fn metrics(State(shared): App, request: Request) -> Result<Response, ApiError> {
    who(&shared, &request)?;
    let mut response = Response::new(Body::from(shared.metrics.text()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn paths_are_decoded_or_refused() {
        for (path, name) in [
            ("desk@production", Some("desk@production")),
            ("desk%40production", Some("desk@production")),
            ("sha256%3Aab", Some("sha256:ab")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%+4", None),
        ] {
            assert_eq!(decoded(path).as_deref(), name, "{path}");
        }
    }
}
