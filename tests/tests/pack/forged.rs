//! Packs whose parts were swapped, left out or brought from elsewhere, in an archive that is as it has to be.

use freehold_core::digest::Digest;
use freehold_ledger::EntryProof;
use freehold_pack::{Blob, Pack};
use freehold_tests::{Project, Recipe};
use serde_json::json;

use crate::stranger::{Stranger, pack, promoted};

fn read(bytes: &[u8]) -> Pack {
    freehold_pack::read(bytes).unwrap()
}

fn written(parts: &Pack) -> Vec<u8> {
    freehold_pack::write(parts, &(), Vec::new()).unwrap()
}

/// The bytes of the pack with a change.
fn changed(pack: &Pack, change: impl FnOnce(&mut Pack)) -> Vec<u8> {
    let mut pack = pack.clone();
    change(&mut pack);
    written(&pack)
}

/// The entry of the log whose text has this.
fn entry(pack: &Pack, says: &str) -> (u64, EntryProof) {
    let found = pack.proofs.iter().find_map(|(index, text)| {
        let proof = EntryProof::from_bytes(text).unwrap();
        String::from_utf8_lossy(&proof.record).contains(says).then_some((*index, proof))
    });
    found.unwrap()
}

fn statement(pack: &Pack, says: &str) -> Digest {
    let record: serde_json::Value = serde_json::from_slice(&entry(pack, says).1.record).unwrap();
    record["statement"].as_str().unwrap().parse().unwrap()
}

#[test]
fn whatever_was_done_to_a_part_is_found() {
    let project = promoted();
    let stranger = Stranger::of(&project);
    let good = pack(&project, &[]);
    let parts = read(&good);
    assert_eq!(written(&parts), good);
    let other = promoted();
    let others = read(&pack(&other, &[]));
    let policies = Recipe::default().policies.replace("minimum_rows = 10", "minimum_rows = 11");
    drop(project.run_recipe(&Recipe { policies, ..Recipe::default() }).expect(0));
    let later = read(&pack(&project, &[]));
    let train = entry(&parts, "\"train\"").0;
    let (approval, approved) = (entry(&parts, "\"approval\"").0, statement(&parts, "\"approval\""));
    let last = parts.proofs.len() as u64 - 1;
    let recipe = parts.blobs.iter().find_map(|(digest, blob)| match blob {
        Blob::Held(bytes) if bytes.starts_with(b"{\"run\"") || bytes.starts_with(b"{\"adapter\"") => Some(*digest),
        _ => None,
    });
    let any = recipe.unwrap_or_else(|| *parts.blobs.keys().next().unwrap());
    let edited = |index: u64, from: &str, to: &str| {
        changed(&parts, |pack| {
            let mut proof = EntryProof::from_bytes(&pack.proofs[&index]).unwrap();
            let text = String::from_utf8(proof.record.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            proof.record = text.replace(from, to).into_bytes();
            pack.proofs.insert(index, proof.to_bytes());
        })
    };
    for (attack, bytes, says) in [
        ("another run's name", changed(&parts, |pack| pack.run = "desk-9".into()), "has no entry"),
        ("no entry of a phase", changed(&parts, |pack| drop(pack.proofs.remove(&train))), "without phase train"),
        ("the last entry left out", changed(&parts, |pack| drop(pack.proofs.remove(&last))), "was left out"),
        ("the first trust root's entry left out", changed(&parts, |pack| drop(pack.proofs.remove(&0))), "trust root"),
        (
            "an approval left out, its statement left",
            changed(&parts, |pack| drop(pack.proofs.remove(&approval))),
            "nothing in the pack names it",
        ),
        ("no entry at all", changed(&parts, |pack| pack.proofs.clear()), "was left out"),
        ("an edited entry", edited(train, "\"train\"", "\"admit\""), "does not lead from entry"),
        (
            "a proof under another number",
            changed(&parts, |pack| {
                let proof = pack.proofs[&train].clone();
                pack.proofs.insert(train + 1, proof);
            }),
            "the proof is of entry",
        ),
        (
            "a proof of another entry",
            changed(&parts, |pack| {
                let mut proof = EntryProof::from_bytes(&pack.proofs[&train]).unwrap();
                proof.hashes = EntryProof::from_bytes(&pack.proofs[&(train + 1)]).unwrap().hashes;
                pack.proofs.insert(train, proof.to_bytes());
            }),
            "does not lead from entry",
        ),
        ("another tree head", changed(&parts, |pack| pack.checkpoint = later.checkpoint.clone()), "another tree head"),
        (
            "an entry under a later tree head",
            changed(&parts, |pack| {
                pack.proofs.insert(train, later.proofs[&train].clone());
            }),
            "another tree head",
        ),
        (
            "a later tree head over what is there",
            changed(&later, |pack| {
                pack.proofs.retain(|index, _| *index <= last);
            }),
            "was left out",
        ),
        (
            "the tree head of another log",
            changed(&parts, |pack| {
                pack.checkpoint = others.checkpoint.clone();
            }),
            "ledger/checkpoint",
        ),
        ("the trust root of another home", changed(&parts, |pack| pack.roots = others.roots.clone()), "trust/1"),
        ("everything of another home", written(&others), "is not signed by the key"),
        ("no newer trust root", changed(&parts, |pack| pack.roots.truncate(1)), "rolled back"),
        ("a statement left out", changed(&parts, |pack| drop(pack.blobs.remove(&approved))), "is not in the pack"),
        ("a document left out", changed(&parts, |pack| drop(pack.blobs.remove(&any))), ""),
        (
            "a file besides",
            changed(&parts, |pack| {
                pack.blobs.insert(Digest::of(b"besides"), b"besides".to_vec().into());
            }),
            "nothing in the pack names it",
        ),
        (
            "a statement with other bytes",
            changed(&parts, |pack| {
                pack.blobs.insert(approved, b"{}".to_vec().into());
            }),
            "with the bytes of",
        ),
        (
            "two statements swapped",
            changed(&parts, |pack| {
                let other = statement(&parts, "\"train\"");
                let (one, two) = (pack.blobs[&approved].clone(), pack.blobs[&other].clone());
                pack.blobs.extend([(approved, two), (other, one)]);
            }),
            "with the bytes of",
        ),
        (
            "a cosigned tree head that nobody cosigned",
            changed(&parts, |pack| {
                let consistency = Vec::new();
                pack.witnessed = Some(freehold_pack::Witnessed { checkpoint: pack.checkpoint.clone(), consistency });
            }),
            "nobody made who may cosign",
        ),
        (
            "no proof that can be read",
            changed(&parts, |pack| {
                pack.proofs.insert(train, b"c2sp.org/tlog-proof@v1\nindex 1\n\n".to_vec());
            }),
            "as C2SP tlog-proof has it",
        ),
    ] {
        let outcome = stranger.verify(&bytes, &[]);
        assert_eq!(outcome.code, 4, "{attack}: {}{}", outcome.stdout, outcome.stderr);
        drop(outcome.says(&[says]));
    }
    stranger.verify(&good, &[]).expect(0);
}

/// What a pack cannot show: entries that were left out with all that belongs to them. It says then that it is not whole.
#[test]
fn what_was_left_out_altogether_is_not_found_and_the_pack_says_that_it_is_not_whole() {
    let project = promoted();
    let stranger = Stranger::of(&project);
    project.run(&["key", "new", "grace"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "grace"]).expect(0);
    let parts = read(&pack(&project, &[]));
    let (approval, approved) = (entry(&parts, "\"approval\"").0, statement(&parts, "\"approval\""));
    let without = changed(&parts, |pack| {
        pack.proofs.remove(&approval);
        pack.blobs.remove(&approved);
    });
    let told = stranger.verify(&without, &["--json"]).expect(0).json();
    assert_eq!((&told["pack"]["whole"], &told["pack"]["approvals"]), (&json!(false), &json!([])));
    stranger.verify(&without, &[]).expect(0).says(&["others may concern the run and are not shown"]);
}

#[test]
fn the_witnesses_of_a_log_are_in_its_packs() {
    let project = promoted();
    let stranger = Stranger::of(&project);
    let witness = freehold_trust::SecretKey::generate().unwrap();
    project.write("w.pub.pem", &witness.public().to_pem().unwrap());
    project.run(&["trust", "add", "--witness", "w.example/one", "--key", "w.pub.pem", "--quorum", "1"]).expect(0);
    let note = project.run(&["audit", "checkpoint"]).expect(0).stdout;
    let time = jiff::Timestamp::now();
    let cosigned = freehold_trust::cosign_note(note.as_bytes(), "w.example/one", &witness, time).unwrap();
    project.write_bytes("cosigned", &cosigned);
    project.run(&["audit", "witness", "cosigned"]).expect(0);
    cosigned_pack(&project, &stranger, 0);
    // The log goes on, and the pack has the proof that it went on from what was cosigned.
    project.run(&["key", "new", "grace"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "grace"]).expect(0);
    cosigned_pack(&project, &stranger, 1);
}

fn cosigned_pack(project: &Project, stranger: &Stranger, later: u64) {
    for entries in ["all", "run"] {
        let bytes = pack(project, &["--entries", entries]);
        let told = stranger.verify(&bytes, &["--json"]).expect(0).json();
        assert_eq!(told["witnessed"]["cosignatures"][0]["witness"], "w.example/one");
        assert_eq!(told["pack"]["size"].as_u64().unwrap() - told["witnessed"]["size"].as_u64().unwrap(), later);
        stranger.verify(&bytes, &[]).expect(0).says(&["w.example/one"]);
        let forged = changed(&read(&bytes), |pack| {
            let witnessed = pack.witnessed.as_mut().unwrap();
            witnessed.consistency.extend_from_slice(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
        });
        stranger.verify(&forged, &[]).expect(4).says(&["does not show the tree"]);
    }
}
