//! The lines of a source, one after the other, in a buffer that grows to the longest line and no further.

/// Bytes that are asked for at a time.
const READ_BYTES: usize = 256 << 10;

/// Where bytes come from.
pub trait Source {
    /// Why they do not.
    type Error;

    /// Puts the next bytes into `buffer` and returns how many; 0 only at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error>;
}

/// There is no next line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineError<E> {
    /// The source fails.
    Source(E),
    /// A line is longer than is allowed.
    TooLong {
        /// Which, from 1.
        line: u64,
        /// How many bytes it may have.
        limit: usize,
    },
}

/// A line without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Reads line by line.
#[derive(Debug)]
pub struct Lines<S> {
    source: S,
    limit: usize,
    buffer: Vec<u8>,
    /// What was read and not yet given out.
    start: usize,
    end: usize,
    /// How much of that is known to hold no line break.
    searched: usize,
    number: u64,
    ended: bool,
}

impl<S: Source> Lines<S> {
    /// The lines of `source`, each of at most `limit` bytes.
    pub fn new(source: S, limit: usize) -> Self {
        Self { source, limit, buffer: Vec::new(), start: 0, end: 0, searched: 0, number: 0, ended: false }
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Where the bytes came from.
    pub fn into_source(self) -> S {
        self.source
    }

    /// The next line. The last one needs no line break.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LineError<S::Error>> {
        let (from, to) = loop {
            let rest = &self.buffer[self.start + self.searched..self.end];
            let found = memchr::memchr(b'\n', rest);
            let length = self.searched + found.unwrap_or(rest.len());
            if length > self.limit {
                return Err(LineError::TooLong { line: self.number + 1, limit: self.limit });
            }
            if found.is_none() && !self.ended {
                self.searched = length;
                self.read_on().map_err(LineError::Source)?;
                continue;
            }
            if found.is_none() && length == 0 {
                return Ok(None);
            }
            let from = self.start;
            self.start = (from + length + 1).min(self.end);
            self.searched = 0;
            break (from, from + length);
        };
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes: &self.buffer[from..to] }))
    }

    fn read_on(&mut self) -> Result<(), S::Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() - self.end < READ_BYTES {
            let more = self.end.saturating_mul(2).min(self.limit.saturating_add(1)).max(self.end + READ_BYTES);
            self.buffer.resize(more, 0);
        }
        let count = self.source.read(&mut self.buffer[self.end..])?;
        self.end += count;
        self.ended = count == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Drops<'a>(&'a [u8], usize);

    impl Source for Drops<'_> {
        type Error = ();

        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
            let count = self.0.len().min(self.1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lines(text: &str, drop: usize, limit: usize) -> Result<Vec<String>, LineError<()>> {
        let (mut lines, mut all) = (Lines::new(Drops(text.as_bytes(), drop), limit), Vec::new());
        while let Some(line) = lines.next_line()? {
            all.push(format!("{} {}", line.number, String::from_utf8_lossy(line.bytes)));
        }
        assert_eq!(lines.next_line(), Ok(None));
        Ok(all)
    }

    #[test]
    fn lines_are_those_of_the_text_however_it_comes() {
        for drop in [1, 2, 3, 100] {
            assert_eq!(lines("", drop, 9).unwrap(), [""; 0]);
            assert_eq!(lines("\n", drop, 9).unwrap(), ["1 "]);
            assert_eq!(lines("a\n\nbcd", drop, 9).unwrap(), ["1 a", "2 ", "3 bcd"]);
            assert_eq!(lines("a\r\nb\n", drop, 9).unwrap(), ["1 a\r", "2 b"]);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_named_and_not_gathered() {
        for drop in [1, 100] {
            assert_eq!(lines("abc\nabc", drop, 3).unwrap().len(), 2);
            assert_eq!(lines("abc\nabcd\n", drop, 3), Err(LineError::TooLong { line: 2, limit: 3 }));
            assert_eq!(lines("abc\nabcd", drop, 3), Err(LineError::TooLong { line: 2, limit: 3 }));
        }
        struct Endless;
        impl Source for Endless {
            type Error = ();
            fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        let mut endless = Lines::new(Endless, 5 * READ_BYTES);
        assert_eq!(endless.next_line(), Err(LineError::TooLong { line: 1, limit: 5 * READ_BYTES }));
        assert!(endless.buffer.len() <= 7 * READ_BYTES, "{}", endless.buffer.len());
    }
}
