//! Where to look.

use freehold_core::verdict::Decision;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, params_from_iter};

use crate::{Index, IndexError, Mark};

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
    pub fn wanted(&self, wanted: &Wanted, after: Place, limit: u32) -> Result<(Vec<String>, Place), IndexError> {
        let mut values = vec![Value::Integer(after.0), Value::Integer(i64::from(limit))];
        let mut conditions = Vec::new();
        for Group { marks, names } in &wanted.groups {
            let marks = places(&mut values, marks.iter().map(|mark| Value::Integer(mark.value())));
            let names = places(&mut values, names.iter().map(|name| Value::Text(name.clone())));
            conditions.push(format!("(id IN (SELECT run FROM mark WHERE mark IN ({marks})) OR name IN ({names}))"));
        }
        if let Some(decision) = wanted.decision {
            let decision = decision.map_or(Value::Null, |decision| Value::Text(decision.as_str().into()));
            conditions.push(format!("decision IS {}", places(&mut values, [decision].into_iter())));
        }
        if let Some(since) = wanted.since {
            let since = i64::try_from(since.as_nanosecond()).unwrap_or(i64::MIN);
            conditions.push(format!("started >= {}", places(&mut values, [Value::Integer(since)].into_iter())));
        }
        let all = if conditions.is_empty() { "TRUE".into() } else { conditions.join(" AND ") };
        let query = format!("SELECT id, name FROM run WHERE id < ?1 AND (unread OR {all}) ORDER BY id DESC LIMIT ?2");
        let mut query = self.db.prepare_cached(&query)?;
        let rows = query.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let last = rows.last().map_or(after, |(id, _)| Place(*id));
        Ok((rows.into_iter().map(|(_, name)| name).collect(), last))
    }

    /// The ledger's entries of the phases of a run, in order; none if there is no such run.
    pub fn phases(&self, run: &str) -> Result<Vec<u64>, IndexError> {
        let Some(id) = self.run_id(run)? else { return Ok(Vec::new()) };
        self.entries("SELECT entry FROM phase WHERE run = ?1 ORDER BY entry", &id)
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

/// Adds values, and gives the places that stand for them in a query.
fn places(values: &mut Vec<Value>, more: impl Iterator<Item = Value>) -> String {
    let first = values.len() + 1;
    values.extend(more);
    (first..=values.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
}
