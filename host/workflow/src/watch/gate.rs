//! Whether a run may begin now.

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::settings::{Budget, WatchSettings};
use super::state::WatchState;

/// Why no run begins, for people; none if one may.
pub(super) fn held_back(settings: &WatchSettings, state: &WatchState, now: Timestamp) -> Option<String> {
    if settings.is_quiet(Offset::UTC.to_datetime(now).time()) {
        return Some("these are quiet hours".into());
    }
    let ended = state.history.iter().filter_map(|batch| batch.ended);
    // A clock that was set back does not hold anything back for longer than from now on.
    let last = ended.max().map(|last| last.min(now));
    if let Some(until) = last.and_then(|last| last.checked_add(settings.cool_down).ok()).filter(|until| *until > now) {
        return Some(format!("it cools down until {until:.0}"));
    }
    settings.budget.as_ref().and_then(|budget| used_up(budget, state, now))
}

fn used_up(budget: &Budget, state: &WatchState, now: Timestamp) -> Option<String> {
    let within = |at: Timestamp| {
        let age = now.duration_since(at);
        age < budget.per && age > -budget.per
    };
    let recent: Vec<_> = state.history.iter().filter(|batch| within(batch.begun)).collect();
    let (runs, tokens) = (recent.len() as u64, recent.iter().map(|batch| batch.tokens).sum::<u64>());
    let seconds: f64 = recent.iter().map(|batch| batch.seconds).sum();
    let per = format!("{:#}", rounded(budget.per));
    if budget.runs.is_some_and(|most| runs >= most) {
        return Some(format!("{runs} runs were begun within {per}"));
    }
    if budget.tokens.is_some_and(|most| tokens >= most) {
        return Some(format!("{tokens} tokens were trained on within {per}"));
    }
    if let Some(most) = budget.joules {
        // One that never came to a run used nothing that is worth the name.
        let ran = recent.iter().filter(|batch| batch.run.is_some());
        match ran.map(|batch| batch.joules).sum::<Option<f64>>() {
            None => return Some(format!("nobody knows what runs within {per} used; `[energy]` in host.toml says it")),
            Some(joules) if joules >= most => return Some(format!("{joules:.0} J were used within {per}")),
            Some(_) => {}
        }
    }
    budget.seconds.is_some_and(|most| seconds >= most).then(|| format!("{seconds:.0} s of training within {per}"))
}

fn rounded(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::state::WatchBatch;
    use super::*;

    fn batch(begun: Timestamp, tokens: u64) -> WatchBatch {
        WatchBatch {
            number: 1,
            events: vec![],
            begun,
            champion: None,
            ended: Some(begun),
            run: Some("desk-w1-1".into()),
            outcome: None,
            tokens,
            seconds: 1.0,
            joules: Some(7.0),
            failures: 0,
        }
    }

    #[test]
    fn a_run_waits_for_the_end_of_what_holds_it_back() {
        let settings = |head: &str| {
            WatchSettings::parse(&format!("{head}\n[[trigger]]\nname = \"h\"\nkind = \"hook\"\n")).unwrap()
        };
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let now = at("2026-03-01T12:00:00Z");
        let state = |batches: Vec<WatchBatch>| WatchState { history: batches, ..WatchState::default() };
        let none = state(vec![]);
        for (head, free) in [
            ("", true),
            ("quiet = [\"11:00-13:00\"]", false),
            ("quiet = [\"13:00-11:00\"]", true),
            ("quiet = [\"13:00-12:30\"]", false),
            ("cool_down = \"1h\"", true),
            ("[budget]\nruns = 0", false),
            ("[budget]\nruns = 1", true),
        ] {
            assert_eq!(held_back(&settings(head), &none, now).is_none(), free, "{head}");
        }
        let before = state(vec![batch(at("2026-03-01T11:30:00Z"), 500)]);
        for (head, free) in [
            ("cool_down = \"29m\"", true),
            ("cool_down = \"31m\"", false),
            ("[budget]\nruns = 1", false),
            ("[budget]\nruns = 1\nper = \"29m\"", true),
            ("[budget]\nruns = 2\ntokens = 500", false),
            ("[budget]\nruns = 2\ntokens = 501", true),
            ("[budget]\nseconds = 1.0", false),
            ("[budget]\njoules = 7.0", false),
            ("[budget]\njoules = 7.5", true),
        ] {
            assert_eq!(held_back(&settings(head), &before, now).is_none(), free, "{head}");
        }
        // What is not known may be anything; what never ran used nothing.
        let unknown = |run: Option<&str>| {
            let unknown =
                WatchBatch { joules: None, run: run.map(str::to_owned), ..batch(at("2026-03-01T11:30:00Z"), 5) };
            held_back(&settings("[budget]\njoules = 1e9"), &state(vec![unknown]), now)
        };
        assert!(unknown(Some("desk-w1-1")).unwrap().contains("host.toml") && unknown(None).is_none());
        // The clock was set back by years: it cools down once, from now on.
        let later = state(vec![batch(at("2030-01-01T00:00:00Z"), 500)]);
        assert!(held_back(&settings("cool_down = \"1h\""), &later, now).unwrap().contains("13:00"));
        assert!(held_back(&settings("[budget]\nruns = 1"), &later, now).is_none());
    }
}
