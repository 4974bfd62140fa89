//! Arrow, as a file if it begins as one, or else as a stream.

use freehold_rows::{ArrowReader, FileKind, Source};

use crate::tables::{look, rows};

struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    type Error = String;

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let count = self.0.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// The bytes are the file.
pub fn run(data: &[u8]) {
    let is_file = FileKind::of(data) == Ok(FileKind::Arrow);
    look(|| {
        let mut reader = None;
        rows(|builder| {
            let reader = match &mut reader {
                Some(reader) => reader,
                none => none.insert(ArrowReader::new(Bytes(data), is_file)?),
            };
            reader.next_row(builder)
        })
    });
}
