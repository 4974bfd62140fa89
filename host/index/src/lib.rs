//! Where in the ledger to look for what somebody asks: a SQLite database in memory, made from the records.
//!
//! Nothing here is trusted. An answer names runs and entries that have to be read and verified; it may name some in vain, and
//! leaves none out as long as the database is what was made of the records - which is for the caller to know when it comes back
//! from a disk.

mod fill;
mod mark;
mod query;

use freehold_core::digest::Digest;
use rusqlite::{Connection, params};

pub use fill::Facts;
pub use mark::{Mark, MarkKind};
pub use query::{Group, Place, Wanted};

/// The database cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// SQLite cannot.
    #[error("the index of the records: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It is a database of another program, or of another version of this one.
    #[error("the index of the records has other tables than this program makes")]
    OtherSchema,
}

/// Which part of a ledger was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// How many entries.
    pub size: u64,
    /// The root of their tree.
    pub root: [u8; 32],
    /// The newest trust root that they name; 1 if they name none.
    pub newest_root: u64,
}

/// An index.
#[derive(Debug)]
pub struct Index {
    db: Connection,
}

/// Bytes of the place of an entry where it is kept.
const PLACE_BYTES: usize = 5;

const SCHEMA: &str = include_str!("schema.sql");

/// Where a database says which tables it has.
const VERSION: &str = "user_version";

/// What this program's databases say there.
fn version() -> i32 {
    let digest = Digest::of(SCHEMA.as_bytes()).hex();
    digest.get(..7).and_then(|digits| i32::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

impl Index {
    /// An index of nothing; `root` is the root of the tree of no entries.
    pub fn new(root: [u8; 32]) -> Result<Self, IndexError> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(SCHEMA)?;
        db.pragma_update(None, VERSION, version())?;
        let index = Self { db };
        index.set_position(Position { size: 0, root, newest_root: 1 })?;
        Ok(index)
    }

    /// The index that [`Index::to_bytes`] gave, byte for byte.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        let mut db = Connection::open_in_memory()?;
        db.deserialize_read_exact("main", bytes, bytes.len(), false)?;
        let found: i32 = db.pragma_query_value(None, VERSION, |row| row.get(0))?;
        if found == version() { Ok(Self { db }) } else { Err(IndexError::OtherSchema) }
    }

    /// The database file.
    pub fn to_bytes(&mut self) -> Result<Vec<u8>, IndexError> {
        Ok(self.db.serialize("main")?.to_vec())
    }

    /// Which part of the ledger was read.
    pub fn position(&self) -> Result<Position, IndexError> {
        let read = |row: &rusqlite::Row<'_>| {
            let (size, newest_root): (i64, i64) = (row.get(0)?, row.get(2)?);
            Ok(Position { size: size.cast_unsigned(), root: row.get(1)?, newest_root: newest_root.cast_unsigned() })
        };
        Ok(self.db.query_row("SELECT size, root, newest_root FROM position", [], read)?)
    }

    fn set_position(&self, position: Position) -> Result<(), IndexError> {
        let Position { size, root, newest_root } = position;
        let row = params![size.cast_signed(), root, newest_root.cast_signed()];
        self.db.execute("INSERT OR REPLACE INTO position VALUES (0, ?1, ?2, ?3)", row)?;
        Ok(())
    }

    /// How many runs there are.
    pub fn runs(&self) -> Result<u64, IndexError> {
        let count: i64 = self.db.query_row("SELECT count(*) FROM run", [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// How many runs have a statement that could not be read.
    pub fn unread(&self) -> Result<u64, IndexError> {
        let count: i64 = self.db.query_row("SELECT count(*) FROM run WHERE unread", [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }
}

#[cfg(test)]
mod tests;
