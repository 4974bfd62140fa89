//! Methods of strings that chat templates call, with Python's idea of white space; others are minijinja's.

use minijinja::value::{Kwargs, Tuple, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::environment::argument;

pub(super) fn call_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str()
        && let Some(result) = call_string_method(text, method, arguments)?
    {
        return Ok(result);
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
}

fn call_string_method(text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let result = match method {
        "strip" | "lstrip" | "rstrip" => {
            let (characters,): (Option<&str>,) = from_args(arguments)?;
            Value::from(match method {
                "strip" => strip(text, characters),
                "lstrip" => strip_start(text, characters),
                _ => strip_end(text, characters),
            })
        }
        "isspace" => {
            let () = from_args(arguments)?;
            Value::from(!text.is_empty() && text.chars().all(is_space))
        }
        "split" | "rsplit" => {
            let (separator, limit, named): (Option<Value>, Option<i64>, Kwargs) = from_args(arguments)?;
            let separator = argument(separator, &named, "sep")?.filter(|separator| !separator.is_none());
            let limit = argument(limit, &named, "maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
            named.assert_all_used()?;
            split(text, separator.as_ref().and_then(Value::as_str), limit, method == "rsplit")?.into_iter().collect()
        }
        "splitlines" => {
            let (keep, named): (Option<bool>, Kwargs) = from_args(arguments)?;
            let keep = argument(keep, &named, "keepends")?.unwrap_or(false);
            named.assert_all_used()?;
            lines(text, keep).into_iter().collect()
        }
        "partition" | "rpartition" => {
            let (separator,): (&str,) = from_args(arguments)?;
            let (found, missing) = match method {
                "partition" => (text.split_once(separator), [text, "", ""]),
                _ => (text.rsplit_once(separator), ["", "", text]),
            };
            Value::from(Tuple::from(
                found.map_or(missing, |(before, after)| [before, separator, after]).map(Value::from),
            ))
        }
        "removeprefix" | "removesuffix" => {
            let (part,): (&str,) = from_args(arguments)?;
            let rest = if method == "removeprefix" { text.strip_prefix(part) } else { text.strip_suffix(part) };
            Value::from(rest.unwrap_or(text))
        }
        _ => return Ok(None),
    };
    Ok(Some(result))
}

/// What Python's `str.isspace` says: Unicode's white space and four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

pub(super) fn strip<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    strip_end(strip_start(text, characters), characters)
}

fn strip_start<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    text.trim_start_matches(|c| characters.map_or_else(|| is_space(c), |characters| characters.contains(c)))
}

fn strip_end<'a>(text: &'a str, characters: Option<&str>) -> &'a str {
    text.trim_end_matches(|c| characters.map_or_else(|| is_space(c), |characters| characters.contains(c)))
}

fn split<'a>(
    text: &'a str,
    separator: Option<&str>,
    limit: Option<usize>,
    from_end: bool,
) -> Result<Vec<&'a str>, Error> {
    let pieces = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    Ok(match (separator, from_end) {
        (Some(""), _) => return Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
        (Some(separator), false) => text.splitn(pieces, separator).collect(),
        (Some(separator), true) => {
            let mut list: Vec<_> = text.rsplitn(pieces, separator).collect();
            list.reverse();
            list
        }
        (None, false) => {
            let (mut list, mut rest) = (Vec::new(), strip_start(text, None));
            while let Some(end) = rest.find(is_space).filter(|_| list.len() + 1 < pieces) {
                list.push(&rest[..end]);
                rest = strip_start(&rest[end..], None);
            }
            list.extend(Some(rest).filter(|rest| !rest.is_empty()));
            list
        }
        (None, true) => {
            let (mut list, mut rest) = (Vec::new(), strip_end(text, None));
            while let Some((at, c)) =
                rest.char_indices().rfind(|(_, c)| is_space(*c)).filter(|_| list.len() + 1 < pieces)
            {
                list.push(&rest[at + c.len_utf8()..]);
                rest = strip_end(&rest[..at], None);
            }
            list.extend(Some(rest).filter(|rest| !rest.is_empty()));
            list.reverse();
            list
        }
    })
}

/// Lines as Python ends them.
fn lines(text: &str, keep: bool) -> Vec<&str> {
    let is_end =
        |c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let (mut list, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(is_end) {
        let width =
            if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(0, char::len_utf8) };
        list.push(&rest[..if keep { at + width } else { at }]);
        rest = &rest[at + width..];
    }
    list.extend(Some(rest).filter(|rest| !rest.is_empty()));
    list
}
