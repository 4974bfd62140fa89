//! What was expected against what came out. Keys that the case leaves out are not compared.

use serde::Serialize;
use toml::{Table, Value};

use super::rows::number;

/// Numbers that differ by less than this share of the larger are the same: a case may be written by hand.
const TOLERANCE: f64 = 1e-9;
/// Longest lists that are aligned; longer ones are compared place by place.
const ALIGNED_MAX: usize = 2000;

/// Which side a line of a difference is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Only in the case.
    Expected,
    /// Only in what came out.
    Found,
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffLine {
    /// Which side it is on.
    pub side: Side,
    /// What differs: `rows[3]`, `counts.tidied`.
    pub place: String,
    /// The value, in TOML.
    pub value: String,
}

/// How one expectation was missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key under `[expect]`.
    pub key: String,
    /// What differs.
    pub lines: Vec<DiffLine>,
}

fn same(expected: &Value, found: &Value) -> bool {
    if let (Some(expected), Some(found)) = (number(expected), number(found)) {
        let scale = expected.abs().max(found.abs());
        return expected == found || (expected - found).abs() <= TOLERANCE * scale;
    }
    match (expected, found) {
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| same(expected, found))
        }
        (Value::Table(expected), Value::Table(found)) => {
            expected.len() == found.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| same(value, found)))
        }
        _ => expected == found,
    }
}

fn line(side: Side, place: String, value: &Value) -> DiffLine {
    DiffLine { side, place, value: value.to_string() }
}

/// The differences under every key that is expected; none if all is as expected.
pub(super) fn compare(expected: &Table, found: &Table) -> Vec<Difference> {
    let mut differences = Vec::new();
    // A plugin that failed gave nothing else.
    let keys: Vec<&String> = match (expected.get("error"), found.get("error")) {
        (None, Some(error)) => {
            let lines = vec![line(Side::Found, "error".into(), error)];
            return vec![Difference { key: "error".into(), lines }];
        }
        (Some(_), _) => expected.keys().filter(|key| *key == "error").collect(),
        (None, None) => expected.keys().collect(),
    };
    for key in keys {
        let lines = match (&expected[key], found.get(key)) {
            (value, None) => vec![line(Side::Expected, key.clone(), value)],
            (Value::Array(expected), Some(Value::Array(found))) => list(key, expected, found),
            (Value::Table(expected), Some(Value::Table(found))) => table(key, expected, found, key != "error"),
            (expected, Some(found)) if same(expected, found) => Vec::new(),
            (expected, Some(found)) => {
                vec![line(Side::Expected, key.clone(), expected), line(Side::Found, key.clone(), found)]
            }
        };
        if !lines.is_empty() {
            differences.push(Difference { key: key.clone(), lines });
        }
    }
    differences
}

/// Differences by key; with `whole`, keys that are not expected count too.
fn table(name: &str, expected: &Table, found: &Table, whole: bool) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    for (key, value) in expected {
        let other = found.get(key);
        if other.is_none_or(|other| !same(value, other)) {
            lines.push(line(Side::Expected, format!("{name}.{key}"), value));
            lines.extend(other.map(|other| line(Side::Found, format!("{name}.{key}"), other)));
        }
    }
    for (key, value) in found.iter().filter(|(key, _)| whole && !expected.contains_key(*key)) {
        lines.push(line(Side::Found, format!("{name}.{key}"), value));
    }
    lines
}

/// Differences of lists, aligned so that one lost element is one line.
fn list(name: &str, expected: &[Value], found: &[Value]) -> Vec<DiffLine> {
    let mut lines = Vec::new();
    let (mut at, mut other) = (0, 0);
    for (next, next_other) in aligned(expected, found).into_iter().chain([(expected.len(), found.len())]) {
        lines.extend((at..next).map(|at| line(Side::Expected, format!("{name}[{at}]"), &expected[at])));
        lines.extend((other..next_other).map(|at| line(Side::Found, format!("{name}[{at}]"), &found[at])));
        (at, other) = (next + 1, next_other + 1);
    }
    lines
}

/// Places of elements that are the same on both sides: a longest common subsequence.
fn aligned(expected: &[Value], found: &[Value]) -> Vec<(usize, usize)> {
    let begin = expected.iter().zip(found).take_while(|(expected, found)| same(expected, found)).count();
    let mut pairs: Vec<(usize, usize)> = (0..begin).map(|at| (at, at)).collect();
    let (rest, other) = (&expected[begin..], &found[begin..]);
    if rest.len().max(other.len()) > ALIGNED_MAX {
        let both = rest.iter().zip(other).enumerate().filter(|(_, (expected, found))| same(expected, found));
        pairs.extend(both.map(|(at, _)| (begin + at, begin + at)));
        return pairs;
    }
    let width = other.len() + 1;
    let mut length = vec![0u16; (rest.len() + 1) * width];
    for at in (0..rest.len()).rev() {
        for with in (0..other.len()).rev() {
            length[at * width + with] = match same(&rest[at], &other[with]) {
                true => length[(at + 1) * width + with + 1] + 1,
                false => length[(at + 1) * width + with].max(length[at * width + with + 1]),
            };
        }
    }
    let (mut at, mut with) = (0, 0);
    while at < rest.len() && with < other.len() {
        if same(&rest[at], &other[with]) {
            pairs.push((begin + at, begin + with));
            (at, with) = (at + 1, with + 1);
        } else if length[(at + 1) * width + with] >= length[at * width + with + 1] {
            at += 1;
        } else {
            with += 1;
        }
    }
    pairs
}
