//! The text of a template, written so that minijinja reads it as Jinja does.

/// The filter that `{% generation %}` becomes.
pub(super) const GENERATION_FILTER: &str = "generation__";

/// Rewrites what minijinja reads otherwise or not at all: the tag `{% generation %}`, which transformers adds to Jinja, the
/// ends of lines, and strings that go on in the next line.
pub(super) fn for_minijinja(template: &str) -> String {
    let template = template.replace("\r\n", "\n").replace('\r', "\n");
    let (mut out, mut rest) = (String::with_capacity(template.len()), template.as_str());
    while let Some(at) = ["{%", "{{", "{#"].iter().filter_map(|open| rest.find(open)).min() {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = if rest.starts_with("{#") { rest.find("#}").map(|at| at + 2) } else { tag_length(rest) };
        let Some(length) = length else { break };
        let tag = &rest[..length];
        rest = &rest[length..];
        match tag_name(tag) {
            "generation" => out.push_str(&tag.replacen("generation", &format!("filter {GENERATION_FILTER}"), 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endfilter", 1)),
            "raw" => {
                out.push_str(tag);
                let end = rest.find("endraw").unwrap_or(0);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            _ if tag.starts_with("{#") => out.push_str(tag),
            _ => out.push_str(&with_joined_lines(tag)),
        }
    }
    out.push_str(rest);
    out
}

/// Whether the template marks what is generated.
pub(super) fn marks_generation(template: &str) -> bool {
    for_minijinja(template).contains(GENERATION_FILTER)
}

/// What stands in a `{% tag %}`.
fn tag_name(tag: &str) -> &str {
    let inner = tag.strip_prefix("{%").and_then(|tag| tag.strip_suffix("%}")).unwrap_or_default();
    inner.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim()
}

/// The characters of a tag, each with whether it belongs to a string.
fn characters(tag: &str) -> impl Iterator<Item = (usize, char, bool)> {
    let (mut quote, mut escaped) = (None, false);
    tag.char_indices().map(move |(at, c)| {
        let in_string = quote.is_some();
        match quote {
            _ if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            _ => {}
        }
        (at, c, in_string)
    })
}

/// Bytes of the tag at the beginning of a text, if it ends.
fn tag_length(text: &str) -> Option<usize> {
    let close = if text.starts_with("{%") { "%}" } else { "}}" };
    let mut depth = 0_usize;
    for (at, c, _) in characters(text).skip(2).filter(|(.., in_string)| !in_string) {
        if depth == 0 && text[at..].starts_with(close) {
            return Some(at + close.len());
        }
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Joins the lines of a string that a backslash at the end of a line divides, as Python does.
fn with_joined_lines(tag: &str) -> String {
    if !tag.contains("\\\n") {
        return tag.to_owned();
    }
    let (mut out, mut escape) = (String::with_capacity(tag.len()), false);
    for (_, c, in_string) in characters(tag) {
        match c {
            '\n' if in_string && escape => {
                out.pop();
                escape = false;
                continue;
            }
            '\\' if in_string => escape = !escape,
            _ => escape = false,
        }
        out.push(c);
    }
    out
}
