//! Errors as OpenAI's API has them.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A request is not answered as its client wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
    header: Option<(HeaderName, &'static str)>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), kind, param: None, code: None, header: None }
    }

    fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    fn header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// The body is not what it should be.
    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, message)
    }

    /// A parameter has a value that is not possible.
    pub(crate) fn parameter(name: impl Into<String>, message: impl Into<String>) -> Self {
        let error = Self::body(message).code("invalid_value");
        Self { param: Some(name.into()), ..error }
    }

    /// A parameter is not known, or asks for what there is not.
    pub(crate) fn unsupported(name: &str, message: impl Into<String>) -> Self {
        Self::parameter(name, message).code("unsupported_parameter")
    }

    /// A parameter is missing.
    pub(crate) fn missing(name: &str) -> Self {
        Self::parameter(name, format!("you must provide `{name}`")).code("missing_required_parameter")
    }

    /// Prompt and answer are longer than the model can attend to.
    pub(crate) fn too_long(parameter: &str, positions: usize, prompt: usize, answer: usize) -> Self {
        let message = format!(
            "this model's maximum context length is {positions} tokens; the prompt has {prompt}, and the answer may have \
             {answer}"
        );
        Self::parameter(parameter, message).code("context_length_exceeded")
    }

    /// There is no such model.
    pub(crate) fn no_model(model: &str, why: Option<&str>) -> Self {
        let shown: String = model.chars().take(200).collect();
        let message = match why {
            Some(why) => format!("the model `{shown}` is not served: {why}"),
            None => format!("the model `{shown}` does not exist; GET /v1/models lists those that are served"),
        };
        let error = Self::new(StatusCode::NOT_FOUND, INVALID, message).code("model_not_found");
        Self { param: Some("model".into()), ..error }
    }

    pub(crate) fn no_path(method: &str, path: &str) -> Self {
        let shown: String = path.chars().take(200).collect();
        Self::new(StatusCode::NOT_FOUND, INVALID, format!("unknown request URL: {method} {shown}")).code("unknown_url")
    }

    pub(crate) fn wrong_method(method: &str, allowed: &'static str) -> Self {
        let message = format!("{method} is not allowed here; use {allowed}");
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, message);
        error.code("method_not_allowed").header(ALLOW, allowed)
    }

    pub(crate) fn too_large(bytes_max: u64) -> Self {
        let message = format!("the body has more than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, message).code("request_too_large")
    }

    pub(crate) fn not_json() -> Self {
        let message = "send JSON, with the header `Content-Type: application/json`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, message).code("unsupported_media_type")
    }

    pub(crate) fn slow_body() -> Self {
        let message = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID, message).code("request_timeout")
    }

    /// Nobody, or nobody who counts, says that it is him.
    pub(crate) fn unauthorized() -> Self {
        let message = "send an API key that counts, in the header `Authorization: Bearer KEY`";
        let error = Self::new(StatusCode::UNAUTHORIZED, INVALID, message);
        error.code("invalid_api_key").header(WWW_AUTHENTICATE, "Bearer")
    }

    /// A page of somebody else's, shown on this machine, asks.
    pub(crate) fn foreign_host() -> Self {
        let message = "without API keys only requests to this machine by its own name are answered; make a key with \
                       `freehold serve key new NAME`";
        Self::new(StatusCode::FORBIDDEN, INVALID, message).code("foreign_host")
    }

    pub(crate) fn queue_full() -> Self {
        let message = "as many requests wait for this model as may; come again";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        error.code("queue_full").header(RETRY_AFTER, "1")
    }

    pub(crate) fn too_many_of_key() -> Self {
        let message = "as many requests with this API key are under way as may; come again";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        error.code("rate_limit_exceeded").header(RETRY_AFTER, "1")
    }

    /// As many events wait for a watch as may.
    pub(crate) fn hooks_full(message: String) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        error.code("hooks_full").header(RETRY_AFTER, "60")
    }

    /// What was asked for could not be written down.
    pub(crate) fn not_kept() -> Self {
        let message = "the event could not be kept; the log of the server says why";
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message);
        error.code("not_kept").header(RETRY_AFTER, "60")
    }

    pub(crate) fn out_of_time() -> Self {
        let message = "the answer was not complete in time";
        Self::new(StatusCode::GATEWAY_TIMEOUT, SERVER, message).code("timeout")
    }

    /// The model failed; what is wrong is in the log.
    pub(crate) fn failed() -> Self {
        let message = "the model failed; the log of the server says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, SERVER, message).code("model_failed")
    }

    pub(crate) fn stopped() -> Self {
        let message = "the model has stopped; the log of the server says why";
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, SERVER, message);
        error.code("model_stopped").header(RETRY_AFTER, "5")
    }

    /// The body, which is also what a stream says that ends badly.
    pub(crate) fn value(&self) -> Value {
        let Self { message, kind, param, code, .. } = self;
        json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.value().to_string()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
