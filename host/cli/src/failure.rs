//! Failures as people and programs see them: what, where, and what to do.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;

use freehold_core::recipe::RecipeError;
use freehold_core::toml_text::TomlError;
use freehold_workflow::{ExitCode, WorkflowError};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use textwrap::{WordSeparator, WordSplitter};

use crate::page::{Terminal, shown_in_place, shown_lines, shown_message};

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    remedy: Option<String>,
    code: ExitCode,
    place: Option<Box<Place>>,
    /// The functions that a plugin was in, for who wants to know more.
    trace: Option<String>,
}

/// A part of a document.
#[derive(Debug)]
struct Place {
    document: NamedSource<String>,
    span: Range<usize>,
}

impl Failure {
    pub(crate) fn new(code: ExitCode, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::with_remedy(code, message, Some(remedy.into()))
    }

    /// For errors that do not all have a remedy.
    pub(crate) fn with_remedy(code: ExitCode, message: impl Into<String>, remedy: Option<String>) -> Self {
        Self { message: message.into(), remedy, code, place: None, trace: None }
    }

    /// A file that the command line names cannot be used.
    pub(crate) fn file(action: &str, path: &Path, error: &dyn fmt::Display) -> Self {
        let message = format!("cannot {action} `{}`: {error}", path.display());
        Self::with_remedy(ExitCode::Broken, message, None)
    }

    /// Says that it is about a file that the command line names.
    pub(crate) fn about(mut self, file: &Path) -> Self {
        self.message = format!("`{}`: {}", file.display(), self.message);
        self
    }

    /// Shows the failure and returns its exit code.
    pub(crate) fn show(&self, terminal: &Terminal) -> ExitCode {
        if terminal.json {
            let mut error = serde_json::json!({
                "error": { "message": self.message, "remedy": self.remedy, "exit_code": self.code as u8 },
            });
            if let Some(trace) = self.trace.as_ref().filter(|_| terminal.verbose) {
                error["error"]["trace"] = trace.as_str().into();
            }
            terminal.print_json(&error);
            return self.code;
        }
        let colors = anstream::stderr().current_choice() != anstream::ColorChoice::Never;
        let theme = if colors { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut text = String::new();
        // Lines are broken at spaces alone: commands, paths and names of models are there to be copied.
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .with_word_separator(WordSeparator::AsciiSpace)
            .with_word_splitter(WordSplitter::NoHyphenation);
        // Writing to a String does not fail.
        let _ = handler.render_report(&mut text, self);
        // The exit code says it too, where stderr cannot be written.
        let mut stderr = anstream::stderr();
        let _ = stderr.write_all(text.as_bytes());
        if let Some(trace) = self.trace.as_ref().filter(|_| terminal.verbose) {
            let _ = writeln!(stderr, "The plugin was in:\n{}", shown_lines(trace));
        }
        self.code
    }
}

fn toml_place(file: &str, document: &str, error: &TomlError) -> Option<Box<Place>> {
    Some(place(file, document, error.span.clone()?))
}

fn place(file: &str, document: &str, span: Range<usize>) -> Box<Place> {
    Box::new(Place { document: NamedSource::new(shown_lines(file), shown_in_place(document)), span })
}

impl From<WorkflowError> for Failure {
    fn from(error: WorkflowError) -> Self {
        let place = match &error {
            WorkflowError::Recipe { file, document, error: RecipeError::Toml(error) }
            | WorkflowError::Toml { file, document, error } => toml_place(file, document, error),
            WorkflowError::Denied(denial) => denial.place().map(|(file, document, span)| place(file, document, span)),
            _ => None,
        };
        let trace = match &error {
            WorkflowError::Sandbox(error) => error.trace().map(str::to_owned),
            _ => None,
        };
        let (message, remedy, code) = (error.to_string(), error.remedy(), error.exit_code());
        Self { message, remedy, code, place, trace }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_message(&self.message))
    }
}

impl std::error::Error for Failure {}

impl Diagnostic for Failure {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.remedy.as_ref().map(|remedy| Box::new(shown_message(remedy)) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.document as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = &self.place.as_ref()?.span;
        let label = LabeledSpan::new_with_span(Some("here".into()), (span.start, span.len()));
        Some(Box::new(std::iter::once(label)))
    }
}
