use std::sync::{Arc, Mutex};

use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_trust::{SecretKey, TrustRoot, Validity};

use super::*;
use crate::Ledger;

/// A folder of trust roots, which grows.
#[derive(Debug, Clone, Default)]
struct Roots(Arc<Mutex<Vec<VerifiedRoot>>>);

impl RootSource for Roots {
    fn roots(&self) -> Result<Vec<VerifiedRoot>, LedgerError> {
        match self.0.lock().unwrap().clone() {
            roots if roots.is_empty() => Err(LedgerError::Roots("there are no trust roots".into())),
            roots => Ok(roots),
        }
    }
}

/// A home with a root key, a first log key and a second one.
struct Home {
    folder: tempfile::TempDir,
    roots: Roots,
    root: SecretKey,
    old: SecretKey,
    new: SecretKey,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [root, old, new] = std::array::from_fn(|_| SecretKey::generate().unwrap());
        let home = Self { folder, roots: Roots::default(), root, old, new };
        let expires = "2030-01-01T00:00:00Z".parse().unwrap();
        let keys = [(Role::Root, &home.root), (Role::Recorder, &home.root), (Role::Log, &home.old)];
        let first = TrustRoot::first(expires, keys.map(|(role, key)| (role, key.public())));
        let first = VerifiedRoot::first(&first.sign(&[&home.root]).unwrap().to_bytes()).unwrap();
        home.roots.0.lock().unwrap().push(first);
        home.open().begin(&home.old).unwrap();
        home
    }

    fn open(&self) -> Ledger {
        let dir = Dir::open_ambient_dir(self.folder.path(), cap_std::ambient_authority()).unwrap();
        Ledger::open_under(dir, "test-log", self.roots.clone())
    }

    /// A new trust root in the folder; it is not entered.
    fn next_root(&self, change: impl FnOnce(&mut TrustRoot)) {
        let mut roots = self.roots.0.lock().unwrap();
        let before = roots.last().unwrap().clone();
        let mut root = before.draft(before.expires).unwrap();
        change(&mut root);
        roots.push(before.next(&root.sign(&[&self.root]).unwrap().to_bytes()).unwrap());
    }

    fn append(&self, subject: Subject, day: u32, keys: &[&SecretKey]) -> Result<u64, LedgerError> {
        let time = format!("2026-01-{day:02}T00:00:00Z").parse().unwrap();
        self.open().appender_with(keys.to_vec())?.append(&Entry { subject, statement: Digest::of(b""), time })
    }

    fn enter(&self, version: u64, day: u32, keys: &[&SecretKey]) -> Result<u64, LedgerError> {
        self.append(Subject::TrustRoot { version }, day, keys)
    }

    fn phase(&self, day: u32, keys: &[&SecretKey]) -> Result<u64, LedgerError> {
        let phase = freehold_core::record::Phase::Resolve;
        self.append(Subject::Phase { run: "a-1".into(), key: Digest::of(b""), phase }, day, keys)
    }

    /// Signs the tree head that is there once more, with other keys.
    fn sign_head(&self, keys: &[&SecretKey]) {
        let head = self.open().tree_head().unwrap();
        std::fs::write(self.folder.path().join("checkpoint"), head.sign("test-log", keys).unwrap()).unwrap();
    }

    fn rotate(&self) {
        let until = "2026-01-10T00:00:00Z".parse().unwrap();
        self.next_root(|root| root.rotate(&self.old.public().id(), &self.new.public(), None, Some(until)).unwrap());
    }
}

#[test]
fn a_tree_head_is_signed_by_the_keys_of_the_newest_root_that_its_entries_name() {
    let home = Home::new();
    let (old, new) = (&home.old, &home.new);
    home.enter(1, 1, &[old]).unwrap();
    // The new root is there and not entered: nothing has changed yet.
    home.rotate();
    assert!(home.phase(2, &[new]).is_err(), "the new key before its root is entered");
    home.phase(2, &[old]).unwrap();
    // Both keys are good until the overlap ends.
    home.enter(2, 3, &[new]).unwrap();
    home.phase(4, &[old]).unwrap();
    home.phase(5, &[new]).unwrap();
    assert!(home.phase(10, &[old]).is_err(), "the old key when its time is over");
    home.phase(10, &[new]).unwrap();
    assert_eq!(home.open().entries().unwrap().len(), 6);
    assert!(home.open().check().unwrap().problems.is_empty());
    // What was refused left nothing that is in the way.
    home.phase(11, &[new]).unwrap();
    assert!(home.open().check().unwrap().problems.is_empty());
}

#[test]
fn a_tree_head_by_a_key_that_was_rotated_out_is_refused() {
    let home = Home::new();
    let (old, new) = (&home.old, &home.new);
    home.enter(1, 1, &[old]).unwrap();
    home.rotate();
    home.enter(2, 3, &[new]).unwrap();
    home.sign_head(&[old]);
    assert_eq!(home.open().entries().unwrap().len(), 2, "in the overlap");
    home.sign_head(&[new]);
    home.next_root(|root| root.remove_from_role(Role::Log, &old.public().id()).unwrap());
    home.enter(3, 4, &[new]).unwrap();
    home.sign_head(&[old]);
    assert!(matches!(home.open().entries(), Err(LedgerError::TreeHead(_))));
    let problems = home.open().check().unwrap().problems;
    assert_eq!(problems.iter().map(|problem| problem.file.as_str()).collect::<Vec<_>>(), ["checkpoint"]);
    assert!(home.phase(5, &[new]).is_err(), "nothing is appended to it");
    home.sign_head(&[&home.root]);
    assert!(matches!(home.open().tree_head(), Err(LedgerError::TreeHead(_))), "a key of another role");
}

#[test]
fn a_log_that_names_a_root_that_there_is_not_is_refused() {
    let home = Home::new();
    home.enter(1, 1, &[&home.old]).unwrap();
    home.next_root(|_| {});
    home.enter(2, 2, &[&home.old]).unwrap();
    home.roots.0.lock().unwrap().pop();
    assert!(matches!(home.open().entries(), Err(LedgerError::MissingRoot(2))));
    assert!(matches!(home.open().prove(0), Err(LedgerError::MissingRoot(2))));
    assert!(matches!(home.phase(3, &[&home.old]), Err(LedgerError::MissingRoot(2))));
    assert_eq!(home.open().check().unwrap().problems.len(), 1);
    home.roots.0.lock().unwrap().clear();
    assert!(matches!(home.open().entries(), Err(LedgerError::Roots(_))));
}

#[test]
fn as_many_keys_sign_as_the_role_asks_for() {
    let home = Home::new();
    let (old, new) = (&home.old, &home.new);
    home.enter(1, 1, &[old]).unwrap();
    home.next_root(|root| {
        root.add_to_role(Role::Log, &new.public()).unwrap();
        root.set_threshold(Role::Log, 2).unwrap();
        root.limit(new.public().id(), Validity::default());
    });
    for (attack, keys) in [("one of two", vec![old]), ("the same twice", vec![old, old]), ("nobody", vec![])] {
        assert!(home.enter(2, 2, &keys).is_err(), "{attack}");
    }
    home.enter(2, 2, &[old, new]).unwrap();
    home.sign_head(&[new]);
    assert!(home.open().entries().is_err());
    home.sign_head(&[new, old]);
    assert_eq!(home.open().entries().unwrap().len(), 2);
}
