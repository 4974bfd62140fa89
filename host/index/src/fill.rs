//! From entries and statements to rows.

use std::collections::BTreeSet;

use freehold_core::record::{Entry, Subject};
use freehold_core::verdict::Decision;
use jiff::Timestamp;
use rusqlite::params;

use crate::{Index, IndexError, Mark, MarkKind, Position};

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
    /// Adds the entries that follow those which were read, all or none. Each has what its statement says: nothing if it is of no
    /// phase or if it could not be read. `root` is the root of the tree with them.
    pub fn add(&mut self, entries: &[(Entry, Option<Facts>)], root: [u8; 32]) -> Result<(), IndexError> {
        let Position { size, mut newest_root, .. } = self.position()?;
        self.db.execute_batch("BEGIN")?;
        let added = (|| {
            for ((entry, facts), at) in entries.iter().zip(size..) {
                if let Subject::TrustRoot { version } = entry.subject {
                    newest_root = newest_root.max(version);
                }
                self.add_entry(at, &entry.subject, facts.as_ref())?;
            }
            self.set_position(Position { size: size + entries.len() as u64, root, newest_root })
        })();
        self.db.execute_batch(if added.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        added
    }

    fn add_entry(&self, at: u64, subject: &Subject, facts: Option<&Facts>) -> Result<(), IndexError> {
        let at = at.cast_signed();
        match subject {
            Subject::Phase { run, .. } => {
                let id = match self.run_id(run)? {
                    Some(id) => id,
                    None => self.add_run(run)?,
                };
                self.insert("INSERT INTO phase VALUES (?1, ?2)", params![id, at])?;
                match facts {
                    Some(facts) => self.add_facts(id, facts),
                    None => self.insert("UPDATE run SET unread = 1 WHERE id = ?1", params![id]),
                }
            }
            Subject::Alias { alias, run, .. } => {
                self.insert("INSERT INTO alias_move VALUES (?1, ?2, ?3)", params![alias.to_string(), at, run])
            }
            Subject::Approval { run, approver, .. } => {
                self.insert("INSERT INTO approval VALUES (?1, ?2)", params![run, at])?;
                match self.run_id(run)? {
                    Some(id) => self.add_mark(id, Mark::of(MarkKind::Key, approver)),
                    None => Ok(()),
                }
            }
            Subject::TrustRoot { version } => {
                self.insert("INSERT INTO trust_root VALUES (?1, ?2)", params![version.cast_signed(), at])
            }
        }
    }

    fn add_run(&self, name: &str) -> Result<i64, IndexError> {
        self.insert("INSERT INTO run (name) VALUES (?1)", params![name])?;
        let id = self.db.last_insert_rowid();
        if let Some((recipe, _)) = name.rsplit_once('-') {
            self.add_mark(id, Mark::of(MarkKind::Recipe, recipe))?;
        }
        Ok(id)
    }

    fn add_facts(&self, run: i64, facts: &Facts) -> Result<(), IndexError> {
        // Of the phases that are seen one after the other, the first to come is the one that began first.
        let started = i64::try_from(facts.started.as_nanosecond()).unwrap_or(i64::MAX);
        self.insert("UPDATE run SET started = ?2 WHERE id = ?1 AND started IS NULL", params![run, started])?;
        if let Some(decision) = facts.decision {
            self.insert("UPDATE run SET decision = ?2 WHERE id = ?1", params![run, decision.as_str()])?;
        }
        facts.marks.iter().try_for_each(|mark| self.add_mark(run, *mark))
    }

    fn add_mark(&self, run: i64, mark: Mark) -> Result<(), IndexError> {
        self.insert("INSERT OR IGNORE INTO mark VALUES (?1, ?2)", params![mark.value(), run])
    }

    fn insert(&self, statement: &str, row: &[&dyn rusqlite::ToSql]) -> Result<(), IndexError> {
        self.db.prepare_cached(statement)?.execute(row)?;
        Ok(())
    }
}
