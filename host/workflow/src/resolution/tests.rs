use super::*;

/// Chooses among versions; one with `!` is yanked, one with `?` has a yank that does not verify.
fn chosen(offered: &str, range: &str, locked: Option<&str>, strict: bool) -> Result<Choice, WorkflowError> {
    chosen_after("", offered, range, locked, strict)
}

/// The same where this home has seen versions that are gone.
fn chosen_after(
    gone: &str,
    offered: &str,
    range: &str,
    locked: Option<&str>,
    strict: bool,
) -> Result<Choice, WorkflowError> {
    let version = |text: &str| text.trim_end_matches(['!', '?']).parse::<Version>().unwrap();
    let offered: Vec<&str> = offered.split_whitespace().collect();
    let versions: Vec<Version> = offered.iter().map(|text| version(text)).collect();
    let (plugin, range) = ("acme/x".parse().unwrap(), range.parse().unwrap());
    let locked = locked.map(version);
    let wanted = Wanted { plugin: &plugin, range: &range, locked: locked.as_ref(), strict };
    let gone: Vec<&str> = gone.split_whitespace().collect();
    let seen: Vec<Version> = gone.iter().map(|text| version(text)).collect();
    choose(&wanted, Offer { folder: "plugins", versions: &versions, gone: &seen }, |asked| {
        let text = offered.iter().chain(&gone).find(|text| version(text) == *asked).unwrap();
        match text.chars().last() {
            Some('!') => Ok(Some("leaks".into())),
            Some('?') => Err(freehold_trust::YankError::Unsigned(format!("acme/x {asked}")).into()),
            _ => Ok(None),
        }
    })
}

/// What came of it, in a word: the version, with `!` if it is used though it is yanked, or the error.
fn outcome(offered: &str, range: &str, locked: Option<&str>, strict: bool) -> String {
    outcome_of(chosen(offered, range, locked, strict))
}

fn outcome_of(choice: Result<Choice, WorkflowError>) -> String {
    match choice {
        Ok(Choice { version, yanked }) => format!("{version}{}", if yanked.is_some() { "!" } else { "" }),
        Err(WorkflowError::NoPlugin { .. }) => "no plugin".into(),
        Err(WorkflowError::Yank(_)) => "bad yank".into(),
        Err(WorkflowError::Resolution(error)) => match *error {
            ResolutionError::AllYanked { .. } => "all yanked".into(),
            ResolutionError::LockedGone { older: true, .. } => "gone, older".into(),
            ResolutionError::LockedGone { .. } => "gone".into(),
            ResolutionError::SeenGone { seen, .. } => format!("seen {seen}"),
            other => other.to_string(),
        },
        Err(other) => other.to_string(),
    }
}

#[test]
fn truth_table_without_a_lock() {
    for (offered, range, expected) in [
        ("", "*", "no plugin"),
        ("1.0.0 1.2.0 1.1.0", "^1.0", "1.2.0"),
        ("1.0.0 1.10.0 1.9.0", "^1.0", "1.10.0"),
        ("1.0.0 2.0.0", "^1.0", "1.0.0"),
        ("2.0.0", "^1.0", "no plugin"),
        ("0.1.0 0.2.0", "^0.1", "0.1.0"),
        // Pre-releases only when the range names one of the same version.
        ("1.0.0 1.1.0-rc.1", "^1.0", "1.0.0"),
        ("1.1.0-rc.1", "*", "no plugin"),
        ("1.1.0-rc.1 1.1.0-rc.2", "^1.1.0-rc.1", "1.1.0-rc.2"),
        ("1.1.0-rc.1 1.1.0", "^1.1.0-rc.1", "1.1.0"),
        ("1.1.0-rc.1 1.2.0-rc.1", "^1.1.0-rc.1", "1.1.0-rc.1"),
        // A new resolution never chooses a yanked version.
        ("1.0.0 1.1.0!", "^1.0", "1.0.0"),
        ("1.0.0! 1.1.0!", "^1.0", "all yanked"),
        ("1.0.0! 2.0.0", "^1.0", "all yanked"),
        // Nor does it look past a yank that does not verify: that would be a downgrade.
        ("1.0.0 1.1.0?", "^1.0", "bad yank"),
        ("1.0.0? 1.1.0", "^1.0", "1.1.0"),
        ("1.0.0? 1.1.0!", "^1.0", "bad yank"),
    ] {
        assert_eq!(outcome(offered, range, None, false), expected, "`{range}` of `{offered}`");
        assert_eq!(outcome(offered, range, None, true), expected, "`{range}` of `{offered}`, strict");
    }
}

#[test]
fn truth_table_with_a_lock() {
    for (offered, range, locked, expected, strict) in [
        ("1.0.0 1.1.0", "^1.0", "1.0.0", "1.0.0", "1.0.0"),
        ("1.0.0! 1.1.0", "^1.0", "1.0.0", "1.0.0!", "1.0.0!"),
        ("1.0.0? 1.1.0", "^1.0", "1.0.0", "bad yank", "bad yank"),
        ("1.0.0 1.1.0?", "^1.0", "1.0.0", "1.0.0", "1.0.0"),
        ("1.1.0-rc.1 1.0.0", "^1.1.0-rc.1", "1.1.0-rc.1", "1.1.0-rc.1", "1.1.0-rc.1"),
        // The range moved away from the lock: resolved anew, as the operator asked.
        ("1.0.0 1.1.0", "=1.1.0", "1.0.0", "1.1.0", "1.1.0"),
        ("1.0.0 1.1.0", "=1.0.0", "1.1.0", "1.0.0", "1.0.0"),
        ("1.0.0! 1.1.0", "^1.0", "2.0.0", "1.1.0", "1.1.0"),
        // The locked version is gone: never replaced by an older one.
        ("", "^1.0", "1.1.0", "gone", "gone"),
        ("1.0.0", "^1.0", "1.1.0", "gone, older", "gone, older"),
        ("1.0.0 1.2.0!", "^1.0", "1.1.0", "gone, older", "gone, older"),
        ("1.2.0!", "^1.0", "1.1.0", "gone", "gone"),
        ("1.0.0 1.2.0?", "^1.0", "1.1.0", "bad yank", "bad yank"),
        ("2.0.0", "^1.0", "1.1.0", "gone", "gone"),
        ("1.2.0", "^1.0", "1.1.0", "1.2.0", "gone"),
    ] {
        let label = format!("`{range}` of `{offered}`, locked {locked}");
        assert_eq!(outcome(offered, range, Some(locked), false), expected, "{label}");
        assert_eq!(outcome(offered, range, Some(locked), true), strict, "{label}, strict");
    }
}

#[test]
fn truth_table_of_what_was_seen_and_is_gone() {
    for (gone, offered, range, locked, expected) in [
        ("", "1.0.0", "^1.0", None, "1.0.0"),
        ("1.1.0", "1.0.0", "^1.0", None, "seen 1.1.0"),
        ("1.1.0", "1.0.0", "^1.0", Some("2.0.0"), "seen 1.1.0"),
        ("1.1.0", "1.2.0", "^1.0", None, "1.2.0"),
        ("1.1.0 1.3.0", "1.2.0", "^1.0", None, "seen 1.3.0"),
        ("0.9.0", "1.0.0", "*", None, "1.0.0"),
        // A range that the newer does not fit is a word of the operator's.
        ("1.1.0", "1.0.0", "=1.0.0", None, "1.0.0"),
        ("1.1.0", "1.0.0", "=1.0.0", Some("1.1.0"), "1.0.0"),
        ("2.0.0", "1.0.0", "^1.0", None, "1.0.0"),
        ("1.1.0-rc.1", "1.0.0", "^1.0", None, "1.0.0"),
        ("1.1.0-rc.2", "1.1.0-rc.1", "^1.1.0-rc.1", None, "seen 1.1.0-rc.2"),
        // So is a yank its publisher's, if it can be trusted.
        ("1.1.0!", "1.0.0", "^1.0", None, "1.0.0"),
        ("1.1.0! 1.2.0", "1.0.0", "^1.0", None, "seen 1.2.0"),
        ("1.1.0?", "1.0.0", "^1.0", None, "bad yank"),
        // What is left may be yanked itself.
        ("1.1.0", "1.0.0 1.2.0!", "^1.0", None, "seen 1.1.0"),
        ("1.1.0", "1.0.0!", "^1.0", None, "all yanked"),
        ("1.1.0", "", "^1.0", None, "no plugin"),
        // A lock that is there is kept; one that is gone says so first.
        ("1.1.0", "1.0.0", "^1.0", Some("1.0.0"), "1.0.0"),
        ("1.1.0", "1.0.0", "^1.0", Some("1.1.0"), "gone, older"),
        ("1.1.0 1.3.0", "1.2.0", "^1.0", Some("1.1.0"), "seen 1.3.0"),
    ] {
        let found = outcome_of(chosen_after(gone, offered, range, locked, false));
        assert_eq!(found, expected, "`{range}` of `{offered}`, locked {locked:?}, seen `{gone}`");
    }
}

#[test]
fn errors_name_what_there_is_and_what_to_do() {
    let error = chosen("1.0.0! 0.9.0", "^1.0", None, false).unwrap_err();
    assert!(error.to_string().contains("is yanked: 1.0.0 (leaks)"), "{error}");
    assert_eq!(error.exit_code(), ExitCode::Broken);
    let error = chosen("1.0.0", "^1.0", Some("1.1.0"), false).unwrap_err();
    assert!(
        error.to_string().contains("1.1.0 is locked, but `plugins` does not have it any more; it offers 1.0.0: older")
    );
    assert!(error.remedy().unwrap().contains("put acme/x/1.1.0 back"));
    let error = chosen_after("1.1.0", "1.0.0", "^1.0", None, false).unwrap_err();
    assert!(error.to_string().contains("has seen `acme/x` 1.1.0, which fits `^1.0`"), "{error}");
    let remedy = error.remedy().unwrap();
    assert!(remedy.contains("put acme/x/1.1.0 back") && remedy.contains("`=1.0.0`"), "{remedy}");
    assert_eq!(error.exit_code(), ExitCode::Broken);
}
