//! Jinja as transformers sets it up for chat templates.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::source::{self, GENERATION_FILTER};
use super::{json, python};

/// The name of the only template.
pub(super) const TEMPLATE: &str = "chat";
/// The variable whose two characters enclose what `{% generation %}` marks.
pub(super) const GENERATION_MARKS: &str = "generation_marks__";
/// Steps that one rendering may take, so that no template runs for ever: about a second.
const FUEL: u64 = 20_000_000;

/// Sets up Jinja and reads the template.
pub(super) fn environment(template: &str) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(python::call_method);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment.add_filter("tojson", json::to_json);
    environment.add_filter("trim", |text: &str, characters: Option<&str>| python::strip(text, characters).to_owned());
    environment.add_filter(GENERATION_FILTER, enclose);
    let python_sequence = |kind| matches!(kind, ValueKind::String | ValueKind::Seq | ValueKind::Map);
    environment.add_test("sequence", move |value: &Value| python_sequence(value.kind()));
    environment.add_template_owned(TEMPLATE, source::for_minijinja(template))?;
    Ok(environment)
}

fn raise_exception(message: String) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// The date of every day, 26 July 2024: the one that templates of Llama 3 fall back to where there is no clock.
///
/// With the day's own date, what is served tomorrow would not be what was trained today.
fn strftime_now(format: &str) -> Result<String, Error> {
    let date = jiff::civil::date(2024, 7, 26).at(0, 0, 0, 0);
    jiff::fmt::strtime::format(format, date)
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now({format:?}): {error}")))
}

/// Marks what `{% generation %}` encloses.
fn enclose(state: &State<'_, '_>, text: String) -> Result<String, Error> {
    let marks = state.lookup(GENERATION_MARKS);
    let mut marks = marks.as_ref().and_then(Value::as_str).unwrap_or_default().chars();
    Ok(match (marks.next(), marks.next()) {
        (Some(start), Some(end)) => format!("{start}{text}{end}"),
        _ => text,
    })
}

/// An error with its cause, on one line.
pub(super) fn plain(error: &Error) -> String {
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    match (error.kind(), error.detail()) {
        // What `raise_exception` says needs no introduction.
        (ErrorKind::InvalidOperation, Some(detail)) => format!("{detail}{line}"),
        (kind, Some(detail)) => format!("{kind}: {detail}{line}"),
        (kind, None) => format!("{kind}{line}"),
    }
}

/// The arguments of a call that may be given by name.
pub(super) fn argument<'a, T>(given: Option<T>, named: &'a Kwargs, name: &'a str) -> Result<Option<T>, Error>
where
    Option<T>: minijinja::value::ArgType<'a, Output = Option<T>>,
{
    if given.is_some() { Ok(given) } else { named.get(name) }
}
