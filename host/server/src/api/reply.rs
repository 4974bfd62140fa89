//! From a request to its answer.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use freehold_engine::{Ending, GenerateSettings};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant as Deadline, timeout_at};

use super::ask::{Ask, Endpoint};
use super::error::ApiError;
use super::form::{Head, Usage};
use crate::access::Caller;
use crate::answer::{NoAnswer, Piece, Reader, answer};
use crate::exchange::Exchange;
use crate::lane::{Job, NotQueued};
use crate::shared::Shared;

/// Which adapter answered, and the run that made it.
const ADAPTER_HEADER: HeaderName = HeaderName::from_static("freehold-adapter");
const RUN_HEADER: HeaderName = HeaderName::from_static("freehold-run");

/// Answers a request whose body is there.
pub(crate) async fn reply(
    shared: &Arc<Shared>,
    endpoint: Endpoint,
    caller: Caller,
    (received, body): (Instant, Bytes),
) -> Response {
    let mut exchange = Exchange::new(shared.clone(), endpoint, caller, received);
    match begin(shared, endpoint, &mut exchange, body).await {
        Ok(begun) if begun.ask.streaming.stream => begun.stream(exchange),
        Ok(begun) => begun.whole(exchange).await,
        Err(error) => refuse(exchange, error),
    }
}

fn refuse(mut exchange: Exchange, error: ApiError) -> Response {
    exchange.ends(error.status);
    let id = exchange.id.clone();
    let mut response = error.into_response();
    add_request_id(response.headers_mut(), &id);
    response
}

/// An answer that is being generated.
struct Begun {
    ask: Ask,
    head: Head,
    reader: Reader,
    deadline: Deadline,
    prompt_tokens: u64,
    headers: HeaderMap,
}

async fn begin(
    shared: &Arc<Shared>,
    endpoint: Endpoint,
    exchange: &mut Exchange,
    body: Bytes,
) -> Result<Begun, ApiError> {
    exchange.take_place()?;
    let ask = Ask::parse(endpoint, &body)?;
    let catalogue = shared.current.catalogue();
    let served = catalogue.models.get(&ask.model);
    let served = served.ok_or_else(|| ApiError::no_model(&ask.model, catalogue.refusal(&ask.model)))?.clone();
    drop(catalogue);
    exchange.is_for(&ask.model, &served);
    // Templates and tokenizers take their time with long prompts.
    let ready = served.ready.clone();
    let prompted = tokio::task::spawn_blocking(move || {
        let prompt = ask.prompt(&ready)?;
        let answer_max = ask.answer_max(prompt.ids.len(), ready.positions)?;
        Ok::<_, ApiError>((ask, prompt, answer_max))
    });
    let (ask, prompt, answer_max) = prompted.await.map_err(|error| {
        tracing::error!("a prompt could not be tokenised: {error}");
        ApiError::failed()
    })??;
    let prompt_tokens = prompt.ids.len() as u64;
    exchange.is_asked(prompt_tokens, prompt.messages);
    let (writer, reader) = answer();
    let settings = GenerateSettings {
        max_new_tokens: answer_max,
        temperature: ask.manner.temperature,
        top_k: ask.manner.likeliest.then_some(1),
        top_p: ask.manner.top_p,
        seed: ask.manner.seed.unwrap_or_else(|| shared.ids.random()),
        stop: Vec::new(),
        end_ids: served.ready.tokenizer.end_ids().to_vec(),
        precision: shared.settings.precision,
    };
    let job = Job {
        adapter: served.ready.adapter.clone(),
        prompt: prompt.ids,
        settings,
        stop: ask.manner.stop.clone(),
        is_dialogue: endpoint == Endpoint::Chat,
        received: exchange.received,
        answer: writer,
    };
    served.ready.lane.queue(job).map_err(|why| match why {
        NotQueued::Full => ApiError::queue_full(),
        NotQueued::Stopped => ApiError::stopped(),
    })?;
    let head = Head {
        endpoint,
        id: exchange.id.clone(),
        created: Timestamp::now().as_second(),
        model: ask.model.clone(),
        fingerprint: format!("fp_{}", served.adapter.short()),
    };
    let mut headers = HeaderMap::new();
    let texts = [(ADAPTER_HEADER, served.adapter.to_string()), (RUN_HEADER, served.run.clone())];
    headers.extend(texts.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::from_str(&text).ok()?))));
    add_request_id(&mut headers, &exchange.id);
    let deadline = Deadline::from_std(exchange.received + shared.request_max());
    Ok(Begun { ask, head, reader, deadline, prompt_tokens, headers })
}

fn add_request_id(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}

/// What came next of an answer, in time.
async fn next(reader: &mut Reader, deadline: Deadline) -> Result<Piece, ApiError> {
    let piece = timeout_at(deadline, reader.next()).await.map_err(|_| ApiError::out_of_time())?;
    match piece.end {
        Some(Err(NoAnswer::Refused(why))) => Err(ApiError::body(why)),
        Some(Err(NoAnswer::Failed(why))) => {
            tracing::error!("an answer failed: {why}");
            Err(ApiError::failed())
        }
        _ => Ok(piece),
    }
}

impl Begun {
    /// Waits for the whole answer.
    async fn whole(mut self, mut exchange: Exchange) -> Response {
        let mut text = String::new();
        loop {
            let piece = match next(&mut self.reader, self.deadline).await {
                Ok(piece) => piece,
                Err(error) => return refuse(exchange, error),
            };
            text.push_str(&piece.text);
            exchange.has_said(&piece.text, piece.tokens);
            let Some(Ok(ending)) = piece.end else { continue };
            exchange.ends(StatusCode::OK);
            let usage = Usage { prompt: self.prompt_tokens, answer: piece.tokens };
            let body = self.head.whole(&text, ending, usage).to_string();
            let mut response = Response::new(Body::from(body));
            *response.headers_mut() = self.headers;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return response;
        }
    }

    /// Sends the answer as it comes, as server-sent events.
    fn stream(mut self, exchange: Exchange) -> Response {
        let headers = std::mem::take(&mut self.headers);
        let state = Stream { begun: self, exchange, at: At::Beginning };
        let body = Body::from_stream(futures_util::stream::unfold(state, Stream::next));
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// How far a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Beginning,
    Answer,
    End,
}

/// A stream of events. When its client goes away it is dropped, and with it what is being generated.
struct Stream {
    begun: Begun,
    exchange: Exchange,
    at: At,
}

/// Events that are sent together. What is sent cannot fail here; when the connection does, nobody asks for more.
type Events = Result<Bytes, std::convert::Infallible>;

impl Stream {
    async fn next(mut self) -> Option<(Events, Self)> {
        let events = match self.at {
            At::End => return None,
            // Completions begin with their first text.
            At::Beginning if self.begun.ask.endpoint == Endpoint::Chat => {
                self.at = At::Answer;
                event(&self.with_usage(self.begun.head.chunk(None, None)))
            }
            At::Beginning | At::Answer => self.more().await,
        };
        Some((Ok(Bytes::from(events)), self))
    }

    async fn more(&mut self) -> String {
        let piece = match next(&mut self.begun.reader, self.begun.deadline).await {
            Ok(piece) => piece,
            Err(error) => {
                self.at = At::End;
                self.exchange.ends(error.status);
                return event(&error.value());
            }
        };
        self.exchange.has_said(&piece.text, piece.tokens);
        let head = &self.begun.head;
        let mut events = String::new();
        if !piece.text.is_empty() {
            events.push_str(&event(&self.with_usage(head.chunk(Some(&piece.text), None))));
        }
        if let Some(Ok(ending)) = piece.end {
            events.push_str(&self.last(ending, piece.tokens));
            self.at = At::End;
            self.exchange.ends(StatusCode::OK);
        }
        events
    }

    fn last(&self, ending: Ending, tokens: u64) -> String {
        let head = &self.begun.head;
        let mut events = event(&self.with_usage(head.chunk(None, Some(ending))));
        if self.begun.ask.streaming.include_usage {
            events.push_str(&event(&head.usage(Usage { prompt: self.begun.prompt_tokens, answer: tokens })));
        }
        events.push_str("data: [DONE]\n\n");
        events
    }

    /// Where the last chunk says the usage, those before it say that they do not.
    fn with_usage(&self, mut chunk: Value) -> Value {
        if self.begun.ask.streaming.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}

/// JSON has no line breaks, so that an event is one line.
fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}
