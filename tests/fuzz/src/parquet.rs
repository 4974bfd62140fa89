//! Parquet.

use freehold_rows::{ParquetReader, RandomAccess};

use crate::tables::{look, rows};

struct Bytes(Vec<u8>);

impl RandomAccess for Bytes {
    type Error = String;

    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        let from = usize::try_from(offset).map_err(|error| error.to_string())?;
        let bytes = self.0.get(from..from + buffer.len()).ok_or("it is asked for bytes that are not there")?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// The bytes are the file.
pub fn run(data: &[u8]) {
    look(|| {
        let mut reader = None;
        rows(|builder| {
            let reader = match &mut reader {
                Some(reader) => reader,
                none => none.insert(ParquetReader::new(Bytes(data.to_vec()))?),
            };
            reader.next_row(builder)
        })
    });
}
