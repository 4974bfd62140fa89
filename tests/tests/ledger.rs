//! What can be done to the ledger by someone who has its files, and by someone who has its key: each is found, and by what.

#![expect(clippy::expect_used, reason = "tests")]

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Subject};
use freehold_ledger::Ledger;
use freehold_tests::Project;
use freehold_trust::{KeyId, PublicKey, SecretKey, cosign_note, sign_note};
use jiff::Timestamp;

/// A home with a ledger of several entries, at least two: trust roots that were renewed.
fn project(entries: u64) -> Project {
    let project = Project::bare();
    for _ in 2..entries {
        project.run(&["trust", "renew"]).expect(0);
    }
    project.run(&["audit", "verify"]).expect(0);
    project
}

fn checkpoint(project: &Project) -> String {
    project.run(&["audit", "checkpoint"]).expect(0).stdout
}

/// The folder of the ledger, by file.
fn ledger(project: &Project) -> Vec<(String, Vec<u8>)> {
    let files = project.files().into_iter().filter(|file| file.starts_with("home/ledger"));
    files.map(|file| (file.clone(), project.read(&file))).collect()
}

fn put_back(project: &Project, files: &[(String, Vec<u8>)]) {
    std::fs::remove_dir_all(project.path().join("home/ledger")).expect("removed");
    for (file, bytes) in files {
        let path = project.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("written");
    }
}

fn secret(project: &Project, name: &str) -> SecretKey {
    let pem = String::from_utf8(project.read(&format!("home/keys/{name}.pem"))).expect("PEM");
    SecretKey::from_pem(&pem).expect("a key")
}

/// The entries and the name of the log, for who is to write another log in its place.
fn insider(project: &Project) -> (Vec<Entry>, String) {
    let note = checkpoint(project);
    let origin = note.lines().next().expect("a name").to_owned();
    let key: PublicKey = secret(project, "log").public();
    let dir = cap_std::fs::Dir::open_ambient_dir(project.path().join("home/ledger"), cap_std::ambient_authority());
    (Ledger::open(dir.expect("a folder"), &origin, key).entries().expect("entries"), origin)
}

/// Writes a log of these entries, signed by the log's own key: what who holds all keys can do.
fn rewrite(project: &Project, origin: &str, entries: &[Entry]) {
    let folder = project.path().join("home/ledger");
    std::fs::remove_dir_all(&folder).expect("removed");
    std::fs::create_dir(&folder).expect("a folder");
    let dir = cap_std::fs::Dir::open_ambient_dir(&folder, cap_std::ambient_authority()).expect("a folder");
    let key = secret(project, "log");
    let ledger = Ledger::open(dir, origin, key.public());
    ledger.begin(&key).expect("a log");
    ledger.appender(&key).expect("a writer").append_all(entries).expect("entries");
}

fn bundle(project: &Project, size: u64) -> String {
    format!("{}/home/ledger/tile/entries/000.p/{size}", project.path().display())
}

/// Entries of a bundle, each with its length.
fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (_, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(bytes[..bytes.len() - rest.len()].to_vec());
        bytes = rest;
    }
    entries
}

/// Who has the files and no key: every change is found without anything from outside.
#[test]
fn an_entry_that_is_edited_deleted_inserted_or_moved_is_found() {
    let project = project(4);
    let file = bundle(&project, 4);
    let bytes = std::fs::read(&file).expect("a bundle");
    let entries = split(&bytes);
    let found = |attack: &str, entries: &[Vec<u8>]| {
        std::fs::write(&file, entries.concat()).expect("written");
        project.run(&["audit", "verify"]).expect(4).says(&["ledger/tile/entries/000.p/4"]);
        project.run(&["trust", "show"]).expect(4);
        // Nothing is appended to it.
        project.run(&["trust", "renew"]).expect(4);
        assert_eq!(checkpoint_size(&project), 4, "{attack}");
    };
    let mut edited = entries.clone();
    edited[1][20] ^= 1;
    found("edit", &edited);
    found("deletion", &[&entries[..1], &entries[2..]].concat());
    found("insertion", &[&entries[..2], &entries[1..]].concat());
    found("reordering", &[entries[1].clone(), entries[0].clone(), entries[2].clone(), entries[3].clone()]);
    found("truncation", &entries[..3]);
    std::fs::write(&file, &bytes).expect("written");
    project.run(&["audit", "verify"]).expect(0);
}

fn checkpoint_size(project: &Project) -> u64 {
    let note = String::from_utf8(project.read("home/ledger/checkpoint")).expect("a note");
    note.lines().nth(1).and_then(|size| size.parse().ok()).expect("a size")
}

#[test]
fn a_tree_head_by_another_key_is_found() {
    let project = project(3);
    let note = checkpoint(&project);
    let (text, _) = note.rsplit_once("\n\n").expect("a note");
    let origin = note.lines().next().expect("a name").to_owned();
    project.run(&["key", "new", "stranger"]).expect(0);
    let stranger = secret(&project, "stranger");
    for key in ["stranger", "recorder", "root"] {
        let forged = sign_note(format!("{text}\n").as_bytes(), &origin, &[&secret(&project, key)]).expect("a note");
        std::fs::write(project.path().join("home/ledger/checkpoint"), forged).expect("written");
        project.run(&["audit", "verify"]).expect(4).says(&["ledger/checkpoint", "is not signed by"]);
    }
    project.write("home/ledger/checkpoint", &note);
    // The log's key itself exchanged, in the folder of keys: it signs no tree head that anyone would read.
    std::fs::write(project.path().join("home/keys/log.pem"), stranger.to_pem().expect("PEM")).expect("written");
    assert_ne!(project.run(&["trust", "renew"]).code, 0);
    project.run(&["audit", "verify"]).expect(0);
}

/// Who holds the log's key and all files can put everything back; a copy of one checkpoint shows it.
#[test]
fn a_copy_of_a_checkpoint_shows_a_rollback_and_a_fork() {
    let project = project(3);
    let (early, files) = (checkpoint(&project), ledger(&project));
    project.run(&["trust", "renew"]).expect(0);
    project.write("early", &early);
    project.write("late", &checkpoint(&project));
    let verified = project.run(&["audit", "verify", "--checkpoint", "early", "--checkpoint", "late", "--json"]);
    let verified = verified.expect(0).json();
    assert_eq!(verified["checkpoints"][0]["size"], 3);
    assert_eq!(verified["checkpoints"][1]["size"], 4);

    // Rollback: trust folder and ledger as they were before. Without the copy nobody can tell.
    let (entries, origin) = insider(&project);
    let (now, newest) = (ledger(&project), project.read("home/trust/4.root.json"));
    put_back(&project, &files);
    std::fs::remove_file(project.path().join("home/trust/4.root.json")).expect("removed");
    project.run(&["audit", "verify"]).expect(0);
    project.run(&["audit", "verify", "--checkpoint", "early"]).expect(0);
    project.run(&["audit", "verify", "--checkpoint", "late"]).expect(4).says(&["late", "rollback", "4 entries"]);
    put_back(&project, &now);
    std::fs::write(project.path().join("home/trust/4.root.json"), newest).expect("written");

    // Fork: the same roots, and another time at the first entry.
    let mut forked = entries.clone();
    forked[0].time += jiff::SignedDuration::from_secs(1);
    rewrite(&project, &origin, &forked);
    project.run(&["audit", "verify"]).expect(0);
    project.run(&["audit", "verify", "--checkpoint", "early"]).expect(4).says(&["early", "fork", "first 3 entries"]);
    project.run(&["audit", "verify", "--checkpoint", "late"]).expect(4).says(&["late", "fork"]);
    // One that was cut short and has grown again is a fork as well.
    let again = Entry { subject: Subject::TrustRoot { version: 4 }, ..entries[0].clone() };
    rewrite(&project, &origin, &[&entries[..3], &[Entry { statement: Digest::of(b"x"), ..again }]].concat());
    project.run(&["audit", "verify", "--checkpoint", "late"]).expect(4).says(&["late", "fork"]);
    project.run(&["audit", "verify", "--checkpoint", "early"]).expect(4).says(&["trust/4.root.json"]);
    rewrite(&project, &origin, &entries);
    project.run(&["audit", "verify", "--checkpoint", "late"]).expect(0);

    // What is no checkpoint of this log is refused, not passed over.
    let other = Project::bare();
    project.write("other", &checkpoint(&other));
    project.write("nothing", "nothing");
    for file in ["other", "nothing"] {
        project.run(&["audit", "verify", "--checkpoint", file]).expect(4).says(&[file, "is not signed by"]);
    }
    project.run(&["audit", "verify", "--checkpoint", "none"]).expect(1);
}

/// A witness outside the home: a key under a name.
struct Witness {
    name: &'static str,
    key: SecretKey,
}

impl Witness {
    fn new(project: &Project, name: &'static str, file: &str) -> Self {
        let key = SecretKey::generate().expect("a key");
        project.write(file, &key.public().to_pem().expect("PEM"));
        Self { name, key }
    }

    fn cosign(&self, project: &Project, note: &str, file: &str) {
        let time = Timestamp::now();
        let cosigned = cosign_note(note.as_bytes(), self.name, &self.key, time).expect("a cosigned note");
        std::fs::write(project.path().join(file), cosigned).expect("written");
    }

    fn id(&self) -> KeyId {
        self.key.public().id()
    }
}

#[test]
fn as_many_witnesses_cosign_as_the_trust_root_asks_for() {
    let project = project(2);
    let (one, two) = (Witness::new(&project, "w.example/one", "one.pem"), Witness::new(&project, "two", "two.pem"));
    let early = checkpoint(&project);
    // Nobody is named yet.
    one.cosign(&project, &early, "early");
    project.run(&["audit", "witness", "early"]).expect(2).says(&["trust root 2 names no witnesses"]);
    project.run(&["trust", "add", "--key", "one.pem", "--witness", "w.example/one"]).expect(0);
    project.run(&["trust", "add", "--key", "two.pem", "--witness", "two", "--quorum", "2"]).expect(0);
    let shown = project.run(&["trust", "show"]).expect(0);
    shown.says(&["w.example/one, 2 of 2", &one.id().to_string()[..12]]);

    // From now on a home without a cosigned checkpoint does not verify.
    project.run(&["audit", "verify"]).expect(4).says(&["ledger/witnessed", "asks for 2 witnesses"]);
    project.run(&["audit", "checkpoint", "--witnessed"]).expect(2).says(&["no checkpoint is kept"]);
    let note = checkpoint(&project);
    project.write("plain", &note);
    one.cosign(&project, &note, "by-one");
    two.cosign(&project, &note, "by-two");
    Witness { name: "two", key: secret(&project, "root") }.cosign(&project, &note, "by-stranger");
    for files in [&["plain"][..], &["by-one"], &["by-two"], &["by-one", "by-stranger"], &["by-one", "by-one"]] {
        project.run(&[&["audit", "witness"], files].concat()).expect(4).says(&["asks for 2"]);
    }
    project.run(&["audit", "verify", "--checkpoint", "by-one"]).expect(4).says(&["by-one", "asks for 2"]);
    let kept = project.run(&["audit", "witness", "by-one", "by-two", "--json"]).expect(0).json();
    assert_eq!((kept["size"].as_u64(), kept["quorum"].as_u64()), (Some(4), Some(2)));
    assert_eq!(kept["cosignatures"].as_array().map(Vec::len), Some(2));
    let verified = project.run(&["audit", "verify"]).expect(0);
    verified.says(&["4 entries by two at", "w.example/one at", "the last 0 entries"]);
    // It is what is printed from now on, and a copy of it.
    let both = checkpoint(&project);
    assert_eq!(both, kept["note"].as_str().expect("a note"));
    project.write("both", &both);
    project.run(&["audit", "verify", "--checkpoint", "both"]).expect(0);

    // The log goes on: what came later is not cosigned yet, and an older one takes nothing's place.
    project.run(&["trust", "renew"]).expect(0);
    project.run(&["audit", "verify"]).expect(0).says(&["the last 1 entries"]);
    let newer = checkpoint(&project);
    one.cosign(&project, &newer, "newer-one");
    two.cosign(&project, &newer, "newer-two");
    project.run(&["audit", "witness", "newer-one", "by-two"]).expect(4);
    project.run(&["audit", "witness", "newer-one", "newer-two"]).expect(0);
    project.run(&["audit", "witness", "both"]).expect(2).says(&["of 5 entries is kept already"]);
    assert_eq!(project.run(&["audit", "checkpoint", "--witnessed"]).expect(0).stdout, checkpoint(&project));

    // Every byte of what is kept counts, and it cannot be taken away.
    let bytes = project.read("home/ledger/witnessed");
    for at in 0..bytes.len() {
        if at % 7 != 0 {
            continue;
        }
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(project.path().join("home/ledger/witnessed"), changed).expect("written");
        project.run(&["audit", "verify"]).expect(4).says(&["ledger/witnessed"]);
    }
    std::fs::remove_file(project.path().join("home/ledger/witnessed")).expect("removed");
    project.run(&["audit", "verify"]).expect(4).says(&["ledger/witnessed"]);
    std::fs::write(project.path().join("home/ledger/witnessed"), bytes).expect("written");

    // A witness that goes does not undo what it cosigned.
    project.run(&["trust", "remove", "--key", "two.pem", "--witness", "two", "--quorum", "1"]).expect(0);
    project.run(&["audit", "verify"]).expect(0).says(&["5 entries by two at"]);
}
