//! Phase tokenise: dialogues become tokens, and which of them are learned is marked.

use freehold_core::digest::Digest;
use freehold_core::recipe::Split;
use freehold_core::record::{Material, Phase, PhaseRecord};
use freehold_engine::{ChatTokenizer, Examples};
use serde::{Deserialize, Serialize};

use super::dialogues::Dialogues;
use super::journal::{PhaseOutput, Work, detail};
use super::resolve::Resolved;
use super::tokenised::Place;
use crate::observe::progress_in_bytes;
use crate::{Home, Project, WorkflowError};

pub(crate) const TOKENS: &str = "tokens/train";

/// What the statement of this phase says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokeniseDetail {
    pub(crate) examples: usize,
    /// Rows whose turns did not fit into one example; records of earlier versions do not say.
    #[serde(default)]
    pub(crate) divided: usize,
    /// The token that answers were taught to end with, and whether it was put there because the template writes none.
    #[serde(default)]
    pub(crate) end: Option<EndToken>,
    pub(crate) tokens: usize,
    /// Tokens that are learned: the assistant's.
    pub(crate) target_tokens: usize,
    pub(crate) longest: usize,
}

/// A token that ends answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndToken {
    pub(crate) id: u32,
    pub(crate) text: String,
    pub(crate) appended: bool,
}

pub(crate) fn read(record: &PhaseRecord) -> Result<TokeniseDetail, WorkflowError> {
    detail(record)
}

/// Rows that were tokenised before are not again: nothing can be told from what is recorded.
pub(crate) fn tokenise(
    home: &Home,
    project: &Project,
    resolved: &Resolved,
    work: &mut Work<'_>,
) -> Result<PhaseOutput, WorkflowError> {
    let place = Place::of(home, &resolved.base, Split::Train, work)?;
    let (tokens, detail) = match place.find(work.store())? {
        Some(found) => found,
        None => {
            let (tokens, detail) = tokens_of_rows(&tokenizer(project, resolved)?, work)?;
            place.keep(tokens, &detail);
            (tokens, detail)
        }
    };
    let outputs = vec![Material::kept(TOKENS, tokens)];
    PhaseOutput::new(work.before(Phase::Transform)?.outputs.clone(), outputs, &detail)
}

/// What this depends on besides its arguments is in the key of [`Place`]; therefore it is not handed the recipe.
fn tokens_of_rows(tokenizer: &ChatTokenizer, work: &mut Work<'_>) -> Result<(Digest, TokeniseDetail), WorkflowError> {
    let mut dialogues = Dialogues::open(work, Split::Train)?;
    let (mut examples, mut row, mut divided) = (Vec::new(), 0, 0);
    while let Some(some) = dialogues.next()? {
        for dialogue in &some {
            let split = Split::Train.as_str();
            let turns = tokenizer.examples(dialogue).map_err(|source| WorkflowError::Chat { row, split, source })?;
            divided += usize::from(turns.len() > 1);
            examples.extend(turns);
            row += 1;
        }
        let (done, total) = dialogues.progress();
        progress_in_bytes(work.observer, "tokenise", done, total, String::new());
    }
    let end = tokenizer.end_of_turn().clone();
    let detail = TokeniseDetail {
        examples: examples.len(),
        divided,
        end: Some(EndToken { id: end.id, text: end.text, appended: end.appended }),
        tokens: examples.iter().map(|example| example.ids.len()).sum(),
        target_tokens: examples.iter().map(|example| example.mask.iter().filter(|&&learned| learned).count()).sum(),
        longest: examples.iter().map(|example| example.ids.len()).max().unwrap_or(0),
    };
    let bytes = Examples::new(examples).to_bytes()?;
    Ok((work.store().put(&bytes)?, detail))
}

pub(crate) fn tokenizer(project: &Project, resolved: &Resolved) -> Result<ChatTokenizer, WorkflowError> {
    let model = &project.recipe.base.model;
    ChatTokenizer::load(&resolved.base).map_err(|source| WorkflowError::Model { model: model.clone(), source })
}
