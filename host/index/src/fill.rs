//! From entries and statements to rows.

use std::collections::BTreeSet;

use freehold_core::record::{Entry, Subject};
use freehold_core::verdict::Decision;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use crate::{Index, IndexError, Mark, MarkKind, PLACE_BYTES, Position};

/// What the statement of a phase says that somebody may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// When the phase began.
    pub started: Timestamp,
    /// The decision, if it is the phase that has it.
    pub decision: Option<Decision>,
    /// What the phase has to do with.
    pub marks: BTreeSet<Mark>,
}

impl Index {
    /// Adds entries that come after those which were read, all or none. Each has its number and what its statement says: nothing
    /// if it is of no phase or if it could not be read. `size` is the size of the tree with them, `root` its root.
    pub fn add(
        &mut self,
        entries: &[(u64, Entry, Option<Facts>)],
        size: u64,
        root: [u8; 32],
    ) -> Result<(), IndexError> {
        let Position { mut newest_root, .. } = self.position()?;
        self.db.execute_batch("BEGIN")?;
        let added = (|| {
            for (at, entry, facts) in entries {
                if let Subject::TrustRoot { version } = entry.subject {
                    newest_root = newest_root.max(version);
                }
                self.add_entry(*at, &entry.subject, facts.as_ref())?;
            }
            self.set_position(Position { size, root, newest_root })
        })();
        self.db.execute_batch(if added.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        added
    }

    fn add_entry(&self, at: u64, subject: &Subject, facts: Option<&Facts>) -> Result<(), IndexError> {
        let entry = at.cast_signed();
        match subject {
            Subject::Phase { run, .. } => self.add_phase(run, at, facts),
            Subject::Alias { alias, run, .. } => {
                self.insert("INSERT INTO alias_move VALUES (?1, ?2, ?3)", params![alias.to_string(), entry, run])
            }
            Subject::Approval { run, approver, .. } => {
                self.insert("INSERT INTO approval VALUES (?1, ?2)", params![run, entry])?;
                let mark = Mark::of(MarkKind::Key, approver).bytes();
                self.insert("UPDATE run SET marks = CAST(marks || ?2 AS BLOB) WHERE name = ?1", params![run, &mark[..]])
            }
            Subject::TrustRoot { version } => {
                self.insert("INSERT INTO trust_root VALUES (?1, ?2)", params![version.cast_signed(), entry])
            }
        }
    }

    fn add_phase(&self, run: &str, at: u64, facts: Option<&Facts>) -> Result<(), IndexError> {
        let mut row = self.run(run)?.unwrap_or_default();
        row.phases.extend_from_slice(at.to_le_bytes().get(..PLACE_BYTES).unwrap_or_default());
        if row.id.is_none()
            && let Some((recipe, _)) = run.rsplit_once('-')
        {
            row.add_marks([Mark::of(MarkKind::Recipe, recipe)]);
        }
        match facts {
            Some(facts) => row.add_facts(facts),
            None => row.unread = true,
        }
        let Run { id, started, decision, unread, phases, marks } = row;
        self.insert(
            "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![id, run, started, decision, unread, phases, marks],
        )
    }

    fn run(&self, name: &str) -> Result<Option<Run>, IndexError> {
        let query = "SELECT id, started, decision, unread, phases, marks FROM run WHERE name = ?1";
        let read = |row: &rusqlite::Row<'_>| {
            let (id, started, decision) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Run { id, started, decision, unread: row.get(3)?, phases: row.get(4)?, marks: row.get(5)? })
        };
        Ok(self.db.prepare_cached(query)?.query_row([name], read).optional()?)
    }

    fn insert(&self, statement: &str, row: &[&dyn rusqlite::ToSql]) -> Result<(), IndexError> {
        self.db.prepare_cached(statement)?.execute(row)?;
        Ok(())
    }
}

/// The row of a run.
#[derive(Debug, Default)]
struct Run {
    id: Option<i64>,
    started: Option<i64>,
    decision: Option<String>,
    unread: bool,
    phases: Vec<u8>,
    marks: Vec<u8>,
}

impl Run {
    fn add_facts(&mut self, facts: &Facts) {
        // Of the phases that are seen one after the other, the first to come is the one that began first.
        let started = i64::try_from(facts.started.as_nanosecond()).unwrap_or(i64::MAX);
        self.started.get_or_insert(started);
        if let Some(decision) = facts.decision {
            self.decision = Some(decision.as_str().into());
        }
        self.add_marks(facts.marks.iter().copied());
    }

    fn add_marks(&mut self, marks: impl IntoIterator<Item = Mark>) {
        for mark in marks {
            if !mark.is_in(&self.marks) {
                self.marks.extend_from_slice(&mark.bytes());
            }
        }
    }
}
