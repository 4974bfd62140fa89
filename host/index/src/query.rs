//! Where to look.

use freehold_core::verdict::Decision;
use jiff::Timestamp;
use rusqlite::OptionalExtension as _;

use crate::{Index, IndexError, Mark, PLACE_BYTES};

/// Of these marks and names a run has to have one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Marks.
    pub marks: Vec<Mark>,
    /// Names of runs.
    pub names: Vec<String>,
}

/// Which runs are looked for; what is not said does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A run has to be of each of these.
    pub groups: Vec<Group>,
    /// Runs with this decision; `Some(None)` for those that have none.
    pub decision: Option<Option<Decision>>,
    /// Runs that began then or later.
    pub since: Option<Timestamp>,
}

/// A place in the list of runs, which goes from the newest to the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(i64);

impl Place {
    /// Before the newest run.
    pub const BEGINNING: Self = Self(i64::MAX);
}

impl Index {
    /// At most `limit` runs that may be wanted, after a place in the list, and the place of the last. One that could not be
    /// read may always be.
    pub fn wanted(&self, wanted: &Wanted, after: Place, limit: usize) -> Result<(Vec<String>, Place), IndexError> {
        let query = "SELECT id, name, started, decision, unread, marks FROM run WHERE id < ?1 ORDER BY id DESC";
        let mut query = self.db.prepare_cached(query)?;
        let (mut rows, mut names, mut last) = (query.query([after.0])?, Vec::new(), after);
        while names.len() < limit
            && let Some(row) = rows.next()?
        {
            last = Place(row.get(0)?);
            if row.get::<_, bool>(4)? || wanted.lets(row)? {
                names.push(row.get(1)?);
            }
        }
        Ok((names, last))
    }

    /// The ledger's entries of the phases of a run, in order; none if there is no such run.
    pub fn phases(&self, run: &str) -> Result<Vec<u64>, IndexError> {
        let mut query = self.db.prepare_cached("SELECT phases FROM run WHERE name = ?1")?;
        let phases: Option<Vec<u8>> = query.query_row([run], |row| row.get(0)).optional()?;
        let place =
            |bytes: &[u8; PLACE_BYTES]| bytes.iter().rev().fold(0_u64, |place, byte| place << 8 | u64::from(*byte));
        Ok(phases.unwrap_or_default().as_chunks().0.iter().map(place).collect())
    }

    /// The entries of the approvals of a run, in order.
    pub fn approvals(&self, run: &str) -> Result<Vec<u64>, IndexError> {
        self.entries("SELECT entry FROM approval WHERE run = ?1 ORDER BY entry", &run)
    }

    /// The entries that moved an alias, in order.
    pub fn moves_of_alias(&self, alias: &str) -> Result<Vec<u64>, IndexError> {
        self.entries("SELECT entry FROM alias_move WHERE alias = ?1 ORDER BY entry", &alias)
    }

    /// The entries that moved an alias to what a run made, in order.
    pub fn moves_to_run(&self, run: &str) -> Result<Vec<u64>, IndexError> {
        self.entries("SELECT entry FROM alias_move WHERE run = ?1 ORDER BY entry", &run)
    }

    /// The entries that moved an alias last, one for each.
    pub fn last_moves(&self) -> Result<Vec<u64>, IndexError> {
        // For each alias one look at the end of its moves, however many there were.
        let query = "WITH RECURSIVE name (alias) AS (
                SELECT min(alias) FROM alias_move
                UNION ALL
                SELECT (SELECT min(alias) FROM alias_move WHERE alias > name.alias) FROM name WHERE name.alias IS NOT NULL
            )
            SELECT (SELECT max(entry) FROM alias_move WHERE alias_move.alias = name.alias) AS entry
            FROM name WHERE name.alias IS NOT NULL ORDER BY entry";
        let mut query = self.db.prepare_cached(query)?;
        let entries = query.query_map([], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// The first entry of a trust root.
    pub fn trust_root(&self, version: u64) -> Result<Option<u64>, IndexError> {
        let mut query =
            self.db.prepare_cached("SELECT entry FROM trust_root WHERE version = ?1 ORDER BY entry LIMIT 1")?;
        let entry = query.query_row([version.cast_signed()], |row| row.get::<_, i64>(0)).optional()?;
        Ok(entry.map(i64::cast_unsigned))
    }

    fn entries(&self, query: &str, of: &dyn rusqlite::ToSql) -> Result<Vec<u64>, IndexError> {
        let mut query = self.db.prepare_cached(query)?;
        let entries = query.query_map([of], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))?;
        Ok(entries.collect::<Result<_, _>>()?)
    }
}

impl Wanted {
    fn lets(&self, row: &rusqlite::Row<'_>) -> Result<bool, IndexError> {
        if let Some(wanted) = self.decision
            && row.get_ref(3)?.as_str_or_null().ok().flatten() != wanted.map(Decision::as_str)
        {
            return Ok(false);
        }
        if let Some(since) = self.since
            && row.get::<_, Option<i64>>(2)?.is_some_and(|started| i128::from(started) < since.as_nanosecond())
        {
            return Ok(false);
        }
        let (name, marks) =
            (row.get_ref(1)?.as_str().unwrap_or_default(), row.get_ref(5)?.as_blob().unwrap_or_default());
        Ok(self.groups.iter().all(|group| group.has(name, marks)))
    }
}

impl Group {
    fn has(&self, name: &str, marks: &[u8]) -> bool {
        self.marks.iter().any(|mark| mark.is_in(marks)) || self.names.iter().any(|known| known == name)
    }
}
