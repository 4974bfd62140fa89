use super::*;

/// Chooses among versions; one with `!` is yanked, one with `?` has a yank that does not verify.
fn chosen(offered: &str, range: &str, locked: Option<&str>, strict: bool) -> Result<Choice, WorkflowError> {
    let version = |text: &str| text.trim_end_matches(['!', '?']).parse::<Version>().unwrap();
    let offered: Vec<&str> = offered.split_whitespace().collect();
    let versions: Vec<Version> = offered.iter().map(|text| version(text)).collect();
    let (plugin, range) = ("acme/x".parse().unwrap(), range.parse().unwrap());
    let locked = locked.map(version);
    let wanted = Wanted { plugin: &plugin, range: &range, locked: locked.as_ref(), strict };
    choose(&wanted, ("plugins", &versions), |asked| {
        let text = offered.iter().find(|text| version(text) == *asked).unwrap();
        match text.chars().last() {
            Some('!') => Ok(Some("leaks".into())),
            Some('?') => Err(freehold_trust::YankError::Unsigned(format!("acme/x {asked}")).into()),
            _ => Ok(None),
        }
    })
}

/// What came of it, in a word: the version, with `!` if it is used though it is yanked, or the error.
fn outcome(offered: &str, range: &str, locked: Option<&str>, strict: bool) -> String {
    match chosen(offered, range, locked, strict) {
        Ok(Choice { version, yanked }) => format!("{version}{}", if yanked.is_some() { "!" } else { "" }),
        Err(WorkflowError::NoPlugin { .. }) => "no plugin".into(),
        Err(WorkflowError::Yank(_)) => "bad yank".into(),
        Err(WorkflowError::Resolution(error)) => match *error {
            ResolutionError::AllYanked { .. } => "all yanked".into(),
            ResolutionError::LockedGone { older: true, .. } => "gone, older".into(),
            ResolutionError::LockedGone { .. } => "gone".into(),
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
fn errors_name_what_there_is_and_what_to_do() {
    let error = chosen("1.0.0! 0.9.0", "^1.0", None, false).unwrap_err();
    assert!(error.to_string().contains("is yanked: 1.0.0 (leaks)"), "{error}");
    assert_eq!(error.exit_code(), ExitCode::Broken);
    let error = chosen("1.0.0", "^1.0", Some("1.1.0"), false).unwrap_err();
    assert!(
        error.to_string().contains("1.1.0 is locked, but `plugins` does not have it any more; it offers 1.0.0: older")
    );
    assert!(error.remedy().unwrap().contains("put acme/x/1.1.0 back"));
}
