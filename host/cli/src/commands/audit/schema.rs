//! `freehold audit schema`

use freehold_workflow::ExitCode;
use freehold_workflow::audit;

use crate::failure::Failure;
use crate::page::{Terminal, say};

pub(super) fn run(question: Option<&str>, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let Some(question) = question else {
        let answers: Vec<&str> = audit::answers().collect();
        terminal.print(&answers, |answers| answers.iter().for_each(|answer| say(answer)));
        return Ok(ExitCode::Done);
    };
    let unknown = || {
        let all = audit::answers().collect::<Vec<_>>().join(", ");
        Failure::new(ExitCode::Usage, format!("there is no schema `{question}`"), format!("there are: {all}"))
    };
    let schema = audit::schema(question).ok_or_else(unknown)?;
    // A schema is JSON for whoever reads it.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    terminal.print(&schema, |_| say(&text));
    Ok(ExitCode::Done)
}
