//! SPDX license expressions: identifiers with `AND`, `OR`, `WITH` and parentheses.

/// Deep enough for any honest expression, shallow enough for the stack.
const MAXIMUM_DEPTH: usize = 32;

/// Whether the license can be met with allowed ones alone: each side of `AND`, one side of `OR`. A license `WITH` an
/// exception is asked for as a whole, because an exception may take away as well as give.
pub(crate) fn is_allowed(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0, allowed };
    let answer = parser.any(0)?;
    match parser.words.get(parser.at) {
        None => Ok(answer),
        Some(word) => Err(format!("`{word}` is not expected")),
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<bool, String> {
        let mut answer = self.all(depth)?;
        while self.next_is("OR") {
            // Both sides are read in any case.
            answer |= self.all(depth)?;
        }
        Ok(answer)
    }

    fn all(&mut self, depth: usize) -> Result<bool, String> {
        let mut answer = self.one(depth)?;
        while self.next_is("AND") {
            answer &= self.one(depth)?;
        }
        Ok(answer)
    }

    fn one(&mut self, depth: usize) -> Result<bool, String> {
        if depth > MAXIMUM_DEPTH {
            return Err("too many parentheses".to_owned());
        }
        if self.next_is("(") {
            let answer = self.any(depth + 1)?;
            return if self.next_is(")") { Ok(answer) } else { Err("a parenthesis is not closed".to_owned()) };
        }
        let license = self.identifier()?;
        if self.next_is("WITH") {
            let exception = self.identifier()?;
            return Ok((self.allowed)(&format!("{license} WITH {exception}")));
        }
        Ok((self.allowed)(&license))
    }

    fn identifier(&mut self) -> Result<String, String> {
        let word = self.words.get(self.at).ok_or_else(|| "the expression ends too early".to_owned())?;
        let reserved = ["(", ")", "AND", "OR", "WITH"].iter().any(|other| word.eq_ignore_ascii_case(other));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.+:".contains(&byte);
        if reserved || !word.bytes().all(plain) {
            return Err(format!("`{word}` is not a license identifier"));
        }
        self.at += 1;
        Ok((*word).to_owned())
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is = self.words.get(self.at).is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    fn mit_or_apache(expression: &str) -> Result<bool, String> {
        is_allowed(expression, &|id| ["MIT", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"].contains(&id))
    }

    #[test]
    fn and_binds_tighter_than_or() {
        for (expression, answer) in [
            ("MIT", true),
            ("MIT OR GPL-3.0-only AND GPL-2.0-only", true),
            ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", false),
            ("(MIT)", true),
            ("mit", false),
            ("MIT and Apache-2.0", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", true),
            ("MIT WITH Classpath-exception-2.0", false),
            ("GPL-3.0-only", false),
        ] {
            assert_eq!(mit_or_apache(expression), Ok(answer), "{expression}");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        let deep = "(".repeat(10_000);
        for expression in ["", "OR", "MIT OR", "MIT MIT", "(MIT", "MIT)", "MIT, Apache-2.0", "MIT WITH", &deep] {
            assert!(mit_or_apache(expression).is_err(), "{expression}");
        }
    }
}
