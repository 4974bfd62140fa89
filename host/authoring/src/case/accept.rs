//! What came out, written as what is expected.

use freehold_core::manifest::World;
use toml::{Table, Value};

use super::{Case, CaseFile, CaseReport, expectations};
use crate::AuthoringError;

/// The text of `case` with what `report` found as its `[expect]`: under the keys that the case compared, or under all if it
/// compared none of them. Everything above `[expect]` stays as it is.
pub fn accept(world: World, case: &Case, report: &CaseReport) -> Result<String, AuthoringError> {
    let compared = |key: &str| case.written.expect.contains_key(key);
    let any = report.found.keys().any(|key| compared(key));
    let kept: Table = report
        .found
        .iter()
        .filter(|(key, _)| !any || compared(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let text = format!("{}[expect]\n{}", input_of(&case.text), written(world, &kept));
    // The file is the author's: it is left alone unless it says afterwards just what is meant.
    let now = Case::parse(world, &case.name, &case.file, text.clone());
    let meant = CaseFile { expect: kept, ..case.written.clone() };
    match now {
        Ok(now) if now.written == meant => Ok(text),
        _ => Err(AuthoringError::Case {
            file: case.file.clone(),
            problem: "cannot be rewritten; make [expect] the last table of the file".into(),
        }),
    }
}

/// The text up to the line `[expect]`, ending with an empty line.
fn input_of(text: &str) -> String {
    let header = |line: &str| line.trim_start().starts_with("[expect]") || line.trim_start().starts_with("[expect.");
    let mut input: String = text.split_inclusive('\n').take_while(|line| !header(line)).collect();
    let found = input.len() < text.len();
    if !input.is_empty() && !input.ends_with('\n') {
        input.push('\n');
    }
    if !found && !input.is_empty() && !input.ends_with("\n\n") {
        input.push('\n');
    }
    input
}

/// Lists of rows have a line for each.
fn written(world: World, found: &Table) -> String {
    let mut text = String::new();
    for (key, value) in expectations(world).iter().filter_map(|key| Some((key, found.get(*key)?))) {
        match value {
            Value::Array(values) if values.iter().any(|value| value.is_table() || value.is_array()) => {
                text += &format!("{key} = [\n");
                values.iter().for_each(|value| text += &format!("    {value},\n"));
                text += "]\n";
            }
            value => text += &format!("{key} = {value}\n"),
        }
    }
    text
}
