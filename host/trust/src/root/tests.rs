use super::*;

pub(super) fn key() -> SecretKey {
    SecretKey::generate().unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A root whose roles are all held by `keys`, expiring at second 1000.
pub(super) fn root(version: u64, keys: &[&SecretKey], threshold: usize) -> TrustRoot {
    let role = RoleKeys { keys: keys.iter().map(|key| key.public().id()).collect(), threshold };
    TrustRoot {
        version,
        expires: at(1000),
        keys: keys.iter().map(|key| (key.public().id(), key.public())).collect(),
        roles: Role::NEEDED.map(|name| (name, role.clone())).into(),
        publishers: vec![],
        witnesses: None,
        validity: BTreeMap::new(),
        revoked_keys: BTreeMap::new(),
        revoked_digests: BTreeMap::new(),
    }
}

pub(super) fn signed(root: &TrustRoot, keys: &[&SecretKey]) -> Vec<u8> {
    root.sign(keys).unwrap().to_bytes()
}

pub(super) fn why() -> Revocation {
    Revocation { reason: "stolen".into(), time: at(5) }
}

#[test]
fn a_first_root_is_signed_by_its_own_threshold() {
    let (a, b) = (key(), key());
    for (keys, threshold, signers, holds) in [
        (vec![&a], 1, vec![&a], true),
        (vec![&a], 1, vec![], false),
        (vec![&a], 1, vec![&b], false),
        (vec![&a, &b], 2, vec![&a], false),
        (vec![&a, &b], 2, vec![&a, &a], false),
        (vec![&a, &b], 2, vec![&b, &a], true),
        (vec![&a], 0, vec![&a], false),
        (vec![&a], 2, vec![&a], false),
        (vec![], 0, vec![], false),
        (vec![], 1, vec![], false),
    ] {
        let signed = signed(&root(1, &keys, threshold), &signers);
        assert_eq!(VerifiedRoot::first(&signed).is_ok(), holds, "{threshold} of {}", keys.len());
    }
}

#[test]
fn a_next_root_is_signed_at_both_thresholds_by_distinct_keys() {
    let (a, b, c, d) = (key(), key(), key(), key());
    // From two of a, b to two of c, d; then with a key that stays.
    for (new, signers, holds) in [
        (vec![&c, &d], vec![&a, &b, &c, &d], true),
        (vec![&c, &d], vec![], false),
        (vec![&c, &d], vec![&a, &b], false),
        (vec![&c, &d], vec![&c, &d], false),
        (vec![&c, &d], vec![&a, &c, &d], false),
        (vec![&c, &d], vec![&a, &b, &c], false),
        (vec![&c, &d], vec![&a, &a, &c, &d], false),
        (vec![&c, &d], vec![&a, &b, &c, &c], false),
        (vec![&b, &c], vec![&a, &b, &c], true),
        (vec![&b, &c], vec![&b, &c], false),
        (vec![&b, &c], vec![&a, &b], false),
    ] {
        let first = VerifiedRoot::first(&signed(&root(1, &[&a, &b], 2), &[&a, &b])).unwrap();
        let next = signed(&root(2, &new, 2), &signers);
        assert_eq!(first.next(&next).is_ok(), holds, "{} signers", signers.len());
    }
}

#[test]
fn a_listed_key_that_did_not_sign_is_no_signer() {
    let (a, b) = (key(), key());
    let signed = signed(&root(1, &[&a, &b], 1), &[&b]);
    assert!(VerifiedRoot::first(&signed).is_ok());
    assert!(VerifiedRoot::is_signed_by(&signed, &b.public()).is_ok());
    assert!(VerifiedRoot::is_signed_by(&signed, &a.public()).is_err());
}

#[test]
fn publisher_rules_are_scoped_and_an_empty_list_allows_nobody() {
    let a = key();
    let id = a.public().id();
    let name = "acme/x".parse().unwrap();
    let mut root = root(1, &[&a], 1);
    assert!(!root.may_publish(&id, &name));
    for (patterns, allowed) in [(vec![], false), (vec!["other/*"], false), (vec!["acme/*"], true), (vec!["*"], true)] {
        let names = patterns.iter().map(|text| text.parse().unwrap()).collect();
        root.publishers = vec![PublisherRule { key: id, names }];
        assert_eq!(root.may_publish(&id, &name), allowed, "{patterns:?}");
    }
}

#[test]
fn truth_table_of_times_in_which_a_key_is_good() {
    for (from, until, time, good) in [
        (None, None, 10, true),
        (Some(10), None, 9, false),
        (Some(10), None, 10, true),
        (None, Some(10), 9, true),
        (None, Some(10), 10, false),
        (Some(5), Some(10), 4, false),
        (Some(5), Some(10), 7, true),
        (Some(5), Some(10), 11, false),
    ] {
        let validity = Validity { valid_from: from.map(at), valid_until: until.map(at) };
        assert_eq!(validity.covers(at(time)), good, "{validity} at {time}");
    }
}

#[test]
fn keys_of_a_role_are_those_that_are_good_at_the_time() {
    let (a, b) = (key(), key());
    let mut root = root(1, &[&a, &b], 1);
    let [old, new] = [&a, &b].map(|key| key.public().id());
    root.limit(old, Validity { valid_from: None, valid_until: Some(at(10)) });
    root.limit(new, Validity { valid_from: Some(at(5)), valid_until: None });
    for (time, good) in [(1, vec![old]), (7, vec![old, new]), (10, vec![new])] {
        let found: BTreeSet<KeyId> = root.keys_at(Role::Recorder, at(time)).into_keys().collect();
        assert_eq!(found, good.into_iter().collect(), "{time}");
    }
}

/// As written by versions of Freehold that knew neither validity nor revocation.
#[test]
fn a_root_without_the_newer_fields_still_reads() {
    let a = key();
    let json = serde_json::to_value(root(1, &[&a], 1)).unwrap();
    let fields: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["expires", "keys", "publishers", "roles", "version"]);
    let bytes = Envelope::sign(ROOT_TYPE, json.to_string().as_bytes(), &[&a]).unwrap().to_bytes();
    assert_eq!(*VerifiedRoot::first(&bytes).unwrap(), root(1, &[&a], 1));
}

#[test]
fn a_rotated_key_stays_good_until_the_overlap_ends_and_only_in_role_root_goes_at_once() {
    let (a, b) = (key(), key());
    let (old, new) = (a.public().id(), b.public());
    let names: Vec<NamePattern> = vec!["acme/*".parse().unwrap()];
    let mut rotated = root(2, &[&a], 1);
    rotated.add_publisher(&a.public(), &names).unwrap();
    rotated.rotate(&old, &new, None, Some(at(500))).unwrap();
    rotated.check().unwrap();
    assert_eq!(rotated.keys_of(Role::Root).into_keys().collect::<Vec<_>>(), [new.id()]);
    for role in [Role::Recorder, Role::Log] {
        assert_eq!(rotated.keys_at(role, at(499)).len(), 2);
        assert_eq!(rotated.keys_at(role, at(500)).into_keys().collect::<Vec<_>>(), [new.id()]);
    }
    let name = "acme/x".parse().unwrap();
    assert!(rotated.may_publish(&old, &name) && rotated.may_publish(&new.id(), &name));
    // A second rotation never makes the time of the old key longer.
    let c = key();
    rotated.rotate(&old, &c.public(), None, Some(at(900))).unwrap();
    assert_eq!(rotated.validity_of(&old).valid_until, Some(at(500)));
    // At once: nothing of the old key is left.
    let mut cut = root(2, &[&a], 1);
    cut.add_publisher(&a.public(), &names).unwrap();
    cut.rotate(&old, &new, None, None).unwrap();
    cut.check().unwrap();
    assert!(!cut.keys.contains_key(&old) && cut.places_of(&old).is_empty());
    assert!(cut.may_publish(&new.id(), &name));
}

#[test]
fn a_change_that_cannot_be_is_refused() {
    let (a, b) = (key(), key());
    let (old, new) = (a.public().id(), b.public());
    let fresh = || root(2, &[&a], 1);
    let error = fresh().rotate(&old, &a.public(), None, None).unwrap_err();
    assert_eq!(error, ChangeError::Itself(old));
    let error = fresh().rotate(&new.id(), &a.public(), None, None).unwrap_err();
    assert!(matches!(error, ChangeError::NotThere { .. }), "{error}");
    let error = fresh().rotate(&old, &new, Some(Role::Log), Some(at(9))).unwrap_err();
    assert!(matches!(&error, ChangeError::OtherPlaces { places, .. } if places.len() == 2), "{error}");
    fresh().rotate(&old, &new, Some(Role::Log), None).unwrap();
    let error = fresh().remove_from_role(Role::Log, &new.id()).unwrap_err();
    assert!(matches!(error, ChangeError::NotThere { .. }), "{error}");
    let error = fresh().remove_publisher(&old, &[]).unwrap_err();
    assert!(matches!(error, ChangeError::NotThere { .. }), "{error}");
    let mut revoked = fresh();
    revoked.revoke_key(&new, why()).unwrap();
    let error = revoked.revoke_key(&new, why()).unwrap_err();
    assert!(matches!(error, ChangeError::Revoked { .. }), "{error}");
    let error = revoked.add_to_role(Role::Log, &new).unwrap_err();
    assert!(matches!(error, ChangeError::Revoked { .. }), "{error}");
    revoked.revoke_digest(Digest::of(b"x"), why()).unwrap();
    let error = revoked.revoke_digest(Digest::of(b"x"), why()).unwrap_err();
    assert!(matches!(error, ChangeError::Revoked { .. }), "{error}");
    // The last key of a role cannot be revoked: nobody could sign any more.
    let mut empty = fresh();
    empty.revoke_key(&a.public(), why()).unwrap();
    assert_eq!(empty.check(), Err(RootError::Threshold { role: Role::Root, threshold: 1, keys: 0 }));
}

#[test]
fn names_are_taken_from_a_publisher_one_by_one_or_all_at_once() {
    let (a, b) = (key(), key());
    let names: Vec<NamePattern> = vec!["acme/*".parse().unwrap(), "other/x".parse().unwrap()];
    let mut changed = root(2, &[&a], 1);
    changed.add_publisher(&b.public(), &names).unwrap();
    let id = b.public().id();
    changed.remove_publisher(&id, &names[..1]).unwrap();
    assert_eq!(changed.publishers[0].names, names[1..]);
    let error = changed.remove_publisher(&id, &names[..1]).unwrap_err();
    assert!(matches!(error, ChangeError::NotThere { .. }), "{error}");
    changed.remove_publisher(&id, &[]).unwrap();
    assert!(changed.publishers.is_empty() && !changed.keys.contains_key(&id));
}

#[test]
fn truth_table_of_witnesses() {
    let [key, other] = std::array::from_fn(|_| SecretKey::generate().unwrap());
    let checked = |change: &dyn Fn(&mut TrustRoot) -> Result<(), ChangeError>| {
        let before = VerifiedRoot::first(&signed(&root(1, &[&key], 1), &[&key])).unwrap();
        let mut draft = before.draft(at(1000)).unwrap();
        change(&mut draft)?;
        draft.check_draft(&before)?;
        // What is written is read again.
        let next = before.next(&signed(&draft, &[&key])).unwrap();
        assert_eq!(*next, draft);
        Ok::<_, ChangeError>(draft)
    };
    let named = |root: &mut TrustRoot, name: &str, of: &SecretKey| root.set_witness(name, &of.public());
    let quorum = checked(&|root| {
        named(root, "w.example/1", &other)?;
        root.set_witness_quorum(1);
        Ok(())
    });
    let quorum = quorum.unwrap();
    assert_eq!((quorum.witness_quorum(), quorum.witness_keys().count()), (1, 1));
    assert_eq!(quorum.places_of(&other.public().id()), ["the witness w.example/1"]);
    let refused = |error: Result<TrustRoot, ChangeError>| match error.unwrap_err() {
        ChangeError::Broken(error) => error,
        other => panic!("{other}"),
    };
    let too_many = checked(&|root| {
        root.set_witness_quorum(1);
        Ok(())
    });
    assert_eq!(refused(too_many), RootError::WitnessQuorum { quorum: 1, witnesses: 0 });
    let twice = checked(&|root| named(root, "a", &other).and_then(|()| named(root, "b", &other)));
    assert_eq!(refused(twice), RootError::WitnessTwice(other.public().id()));
    for name in ["", "a b", "a+b", "a\nb", "a\u{7f}", &"a".repeat(256)] {
        assert!(matches!(refused(checked(&|root| named(root, name, &other))), RootError::WitnessName(_)), "{name:?}");
    }
    // Nothing stays of a witness that is gone, and a key that is revoked is none.
    let gone = checked(&|root| {
        named(root, "a", &other)?;
        root.remove_witness("a", &other.public().id())
    });
    assert_eq!(gone.unwrap().witnesses, None);
    let revoked = checked(&|root| {
        named(root, "a", &other)?;
        root.revoke_key(&other.public(), why())
    });
    assert_eq!(revoked.unwrap().witness_keys().count(), 0);
    let wrong = checked(&|root| {
        named(root, "a", &other)?;
        root.remove_witness("b", &other.public().id())
    });
    assert!(matches!(wrong, Err(ChangeError::NotThere { .. })));
    // A rotated key takes the old one's name.
    let rotated = checked(&|root| {
        named(root, "a", &other)?;
        let new = SecretKey::generate().unwrap();
        root.rotate(&other.public().id(), &new.public(), None, None)
    });
    let rotated = rotated.unwrap();
    assert_eq!(rotated.witness_keys().map(|(name, _)| name).collect::<Vec<_>>(), ["a"]);
    assert!(!rotated.keys.contains_key(&other.public().id()));
}
