//! One request and what became of it: counted, logged without a word of what was said, and captured if that was asked for.
//! However it ends, also when its client goes away, it ends here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::http::StatusCode;
use freehold_workflow::serving::Conversation;

use crate::access::Caller;
use crate::api::{ApiError, Endpoint};
use crate::catalogue::Served;
use crate::shared::{Place, Shared};

/// A request under way.
pub(crate) struct Exchange {
    shared: Arc<Shared>,
    pub(crate) id: String,
    pub(crate) received: Instant,
    endpoint: Endpoint,
    caller: Caller,
    place: Option<Place>,
    /// The model, once it is known to be served.
    model: Option<(String, Served)>,
    prompt_tokens: u64,
    answer_tokens: u64,
    /// What is said, if it is to be captured.
    said: Option<(Vec<(String, String)>, String)>,
    status: Option<StatusCode>,
}

impl Exchange {
    pub(crate) fn new(shared: Arc<Shared>, endpoint: Endpoint, caller: Caller, received: Instant) -> Self {
        let id = shared.ids.id(if endpoint == Endpoint::Chat { "chatcmpl-" } else { "cmpl-" });
        Self {
            shared,
            id,
            received,
            endpoint,
            caller,
            place: None,
            model: None,
            prompt_tokens: 0,
            answer_tokens: 0,
            said: None,
            status: None,
        }
    }

    /// Takes one of the places that requests of its key have.
    pub(crate) fn take_place(&mut self) -> Result<(), ApiError> {
        let Caller::Key(key) = &self.caller else { return Ok(()) };
        let place = self.shared.places.take(key, self.shared.settings.requests_per_key_max);
        self.place = Some(place.ok_or_else(ApiError::too_many_of_key)?);
        Ok(())
    }

    /// Which model is asked, and under which name.
    pub(crate) fn is_for(&mut self, name: &str, served: &Served) {
        self.model = Some((name.to_owned(), served.clone()));
    }

    /// What is asked.
    pub(crate) fn is_asked(&mut self, tokens: u64, messages: Vec<(String, String)>) {
        self.prompt_tokens = tokens;
        let captures = self.shared.capture.as_ref().is_some_and(|sink| sink.wants(&self.id));
        self.said = captures.then_some((messages, String::new()));
    }

    /// A part of the answer, and its tokens so far.
    pub(crate) fn has_said(&mut self, text: &str, tokens: u64) {
        self.answer_tokens = tokens;
        if let Some((_, answer)) = &mut self.said {
            answer.push_str(text);
        }
    }

    /// The answer is complete, or there is none.
    pub(crate) fn ends(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// What is captured of an answer that is complete.
    fn capture(&mut self) {
        let Some((sink, (mut messages, answer))) = self.shared.capture.as_ref().zip(self.said.take()) else { return };
        let Some((name, served)) = self.model.as_ref().filter(|_| self.status == Some(StatusCode::OK)) else { return };
        messages.push(("assistant".into(), answer));
        let (adapter, run) = (served.adapter, served.run.clone());
        sink.give(Conversation { id: self.id.clone(), model: name.clone(), adapter, run, messages });
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let metrics = self.shared.metrics.clone();
        // 499 is what others write for a client that went away; it is sent to nobody.
        let status = self.status.map_or(499, |status| status.as_u16());
        if self.status.is_none() {
            metrics.gone.fetch_add(1, Ordering::Relaxed);
        }
        let name = self.model.as_ref().map_or("", |(name, _)| name.as_str());
        metrics.answered(name, self.endpoint.as_str(), status);
        metrics.tokens(name, self.prompt_tokens, self.answer_tokens);
        let elapsed = self.received.elapsed();
        metrics.request.observe(elapsed);
        let key = match &self.caller {
            Caller::Key(name) => name.as_str(),
            Caller::ThisMachine => "-",
        };
        let run = self.model.as_ref().map_or("-", |(_, served)| served.run.as_str());
        tracing::info!(
            "{} {} {status} key {key} model {name} run {run} tokens {}+{} in {:.3} s",
            self.id,
            self.endpoint.as_str(),
            self.prompt_tokens,
            self.answer_tokens,
            elapsed.as_secs_f64()
        );
        self.capture();
    }
}
