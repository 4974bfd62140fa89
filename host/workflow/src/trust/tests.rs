use freehold_trust::SecretKey;

use super::*;

/// Roots 1 to `newest` with their bytes.
fn roots(newest: u64) -> Vec<(VerifiedRoot, Vec<u8>)> {
    let key = SecretKey::generate().unwrap();
    let expires = "2030-01-01T00:00:00Z".parse().unwrap();
    let first = TrustRoot::first(expires, Role::NEEDED.map(|role| (role, key.public())));
    let first = first.sign(&[&key]).unwrap().to_bytes();
    let mut roots = vec![(VerifiedRoot::first(&first).unwrap(), first)];
    while (roots.len() as u64) < newest {
        let (before, _) = &roots[roots.len() - 1];
        let next = before.draft(expires).unwrap().sign(&[&key]).unwrap().to_bytes();
        roots.push((before.next(&next).unwrap(), next));
    }
    roots
}

fn name(problem: &RootProblem) -> (u64, &'static str) {
    let what = match &problem.error {
        WorkflowError::RolledBack { .. } => "rolled back",
        WorkflowError::OtherRoot { .. } => "other",
        WorkflowError::RootOrder { .. } => "order",
        WorkflowError::RootNotEntered(_) => "not entered",
        _ => "something else",
    };
    (problem.version, what)
}

#[test]
fn truth_table_of_folder_and_ledger() {
    let all = roots(3);
    let named = |version: u64| (version, Digest::of(&all[version as usize - 1].1));
    let other = |version: u64| (version, Digest::of(b"other"));
    for (folder, ledger, problems) in [
        (0, vec![], vec![]),
        (1, vec![], vec![(1, "not entered")]),
        (1, vec![named(1)], vec![]),
        (3, vec![named(1), named(2), named(3)], vec![]),
        (3, vec![named(1), named(2)], vec![(3, "not entered")]),
        (3, vec![named(1)], vec![(2, "not entered"), (3, "not entered")]),
        (2, vec![named(1), named(2), named(3)], vec![(3, "rolled back")]),
        (1, vec![named(1), named(2), named(3)], vec![(3, "rolled back")]),
        (0, vec![named(1)], vec![(1, "rolled back")]),
        (2, vec![named(1), other(2)], vec![(2, "other")]),
        (2, vec![other(1), named(2)], vec![(1, "other")]),
        (2, vec![named(1), named(2), other(2)], vec![(2, "order"), (2, "other")]),
        (2, vec![named(1), named(2), named(2)], vec![(2, "order")]),
        (2, vec![named(1), named(2), named(1)], vec![(1, "order")]),
        (2, vec![named(2)], vec![(2, "order")]),
        (3, vec![named(1), named(3)], vec![(3, "order")]),
        (1, vec![named(1), other(u64::MAX)], vec![(u64::MAX, "order"), (u64::MAX - 1, "rolled back")]),
    ] {
        let entries: Vec<Entry> = ledger
            .iter()
            .map(|(version, statement)| Entry {
                subject: Subject::TrustRoot { version: *version },
                statement: *statement,
                time: Timestamp::UNIX_EPOCH,
            })
            .collect();
        let found = compare(&all[..folder], (0..).zip(&entries));
        assert_eq!(found.iter().map(name).collect::<Vec<_>>(), problems, "{folder} roots, {ledger:?}");
    }
}
