//! Moments and days in questions.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::WorkflowError;

/// A moment, such as `2026-11-24T09:30:00Z`, or a day in UTC, such as `2026-11-24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The moment, or the beginning of the day.
    pub from: Timestamp,
    /// The end of the day; `from` for a moment.
    pub until: Timestamp,
}

impl Moment {
    /// Whether something that lasted from `from` up to before `until`, or lasts still, was so at the moment, or at some time
    /// of the day.
    pub fn meets(self, from: Timestamp, until: Option<Timestamp>) -> bool {
        self.follows(from) && until.is_none_or(|until| self.from < until)
    }

    /// Whether something that began at `from` had begun at the moment, or before the day was over.
    pub fn follows(self, from: Timestamp) -> bool {
        if self.from == self.until { from <= self.from } else { from < self.until }
    }
}

impl FromStr for Moment {
    type Err = WorkflowError;

    fn from_str(text: &str) -> Result<Self, WorkflowError> {
        let expected = "a day such as 2026-11-24, or a moment such as 2026-11-24T09:30:00Z";
        let question = || WorkflowError::Question { text: text.chars().take(80).collect(), expected };
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(Self { from: moment, until: moment });
        }
        let day: Date = text.parse().map_err(|_| question())?;
        let start = |day: Date| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
        let next = day.checked_add(1.day()).ok().and_then(start);
        Ok(Self { from: start(day).ok_or_else(question)?, until: next.ok_or_else(question)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_meet_what_lasted_then() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, until) = (at("2026-11-24T10:00:00Z"), at("2026-11-25T10:00:00Z"));
        for (asked, met) in [
            ("2026-11-23", false),
            ("2026-11-24", true),
            ("2026-11-25", true),
            ("2026-11-26", false),
            ("2026-11-24T09:59:59Z", false),
            ("2026-11-24T10:00:00Z", true),
            ("2026-11-25T09:59:59Z", true),
            ("2026-11-25T10:00:00Z", false),
        ] {
            let moment: Moment = asked.parse().unwrap();
            assert_eq!(moment.meets(from, Some(until)), met, "{asked}");
        }
        assert!("2026-11-26".parse::<Moment>().unwrap().meets(from, None));
        let follows = |asked: &str, from: &str| asked.parse::<Moment>().unwrap().follows(at(from));
        assert!(follows("2026-11-24", "2026-11-24T23:59:59Z") && !follows("2026-11-24", "2026-11-25T00:00:00Z"));
        assert!(follows("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"));
        for wrong in ["", "yesterday", "2026-13-01", "24.11.2026"] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
