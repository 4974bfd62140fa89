//! Inputs to begin with, of the targets that a search would hardly find into by itself. `cargo run --example seeds` writes them.

use std::collections::BTreeMap;

use freehold_core::digest::Digest;
use freehold_core::manifest::{Manifest, PluginSource};
use freehold_core::toml_text;
use freehold_ledger::EntryProof;
use freehold_pack::{Blob, Pack, Witnessed};
use freehold_trust::{
    PublisherRule, ResourceDescriptor, Role, SecretKey, Statement, TrustRoot, Validity, Yank, sign_plugin, sign_yank,
};

use crate::checkpoint::{PROOF, SIGNED as SIGNED_TEXT, cosigned};
use crate::keys::{PUBLISHER, REVOKED_COMPONENT, at, keys, root};
use crate::ledger::{FILES, SIGNED, with_log};
use crate::manifest::COMPONENT;
use crate::model::{FILES as MODEL, LENGTH_BYTES};

/// An input of the target that is named first, under a name of its own.
pub type Seed = (&'static str, String, Vec<u8>);

/// Seeds made with the keys of the targets. `sources` are texts of `plugin.toml` by name.
pub fn seeds(sources: &BTreeMap<String, String>) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = sources
        .iter()
        .map(|(name, source)| ("plugin_source", format!("{name}.toml"), source.clone().into_bytes()))
        .collect();
    for (name, source) in sources {
        seeds.extend(manifests(name, source));
    }
    seeds.extend(yanks());
    seeds.extend(roots());
    seeds.extend(logs());
    seeds.extend(checkpoints());
    seeds.extend(bundles());
    seeds.extend(packs());
    seeds.extend(key_files());
    seeds.extend(statements());
    seeds.extend(models());
    seeds
}

fn manifests(name: &str, source: &str) -> Vec<Seed> {
    let source: PluginSource = toml_text::parse(source).expect("a source");
    let source = PluginSource { name: format!("acme/{name}").parse().expect("a name"), ..source };
    let manifest = |component: &[u8], end| Manifest::new(source.clone(), Digest::of(component), at(-50), at(end));
    let (good, expired) = (manifest(COMPONENT, 50), manifest(COMPONENT, 0));
    let revoked = manifest(REVOKED_COMPONENT, 50);
    let json = |manifest: &Manifest| serde_json::to_vec(manifest).expect("a manifest has a JSON form");
    let signed = |manifest: &Manifest| sign_plugin(manifest, &keys()[PUBLISHER]).unwrap().to_bytes();
    vec![
        ("manifest", format!("{name}.json"), json(&good)),
        ("manifest", format!("{name}.dsse.json"), signed(&good)),
        ("manifest", format!("{name}-expired.dsse.json"), signed(&expired)),
        ("manifest", format!("{name}-revoked.json"), json(&revoked)),
    ]
}

fn yanks() -> Vec<Seed> {
    let (name, version) = ("acme/redact".parse().expect("a name"), semver::Version::new(1, 0, 0));
    let yank = Yank { name, version, yanked: true, reason: "leaks".into(), time: at(-50) };
    let json = serde_json::to_vec(&yank).expect("a yank has a JSON form");
    let signed = sign_yank(&yank, &keys()[PUBLISHER]).unwrap().to_bytes();
    vec![("yank", "yank.json".into(), json), ("yank", "yank.dsse.json".into(), signed)]
}

fn roots() -> Vec<Seed> {
    let json = |root: &TrustRoot| serde_json::to_vec(root).expect("a root has a JSON form");
    let owners: Vec<&SecretKey> = keys().iter().take(3).collect();
    let small = TrustRoot::first(at(1_000), Role::NEEDED.map(|role| (role, keys()[0].public())));
    let mut next = root().draft(at(1_000)).expect("the next version");
    next.add_to_role(Role::Root, &keys()[5].public()).expect("a key more");
    next.set_threshold(Role::Root, 2).expect("a threshold");
    let mut wide = small.clone();
    wide.keys.extend(owners.iter().map(|key| (key.public().id(), key.public())));
    wide.roles.values_mut().for_each(|role| {
        role.keys.extend(owners.iter().map(|key| key.public().id()));
        role.threshold = 2;
    });
    wide.roles.remove(&Role::Log);
    let id = keys()[1].public().id();
    wide.publishers = vec![PublisherRule { key: id, names: vec!["*".parse().expect("a pattern")] }];
    wide.validity.insert(id, Validity { valid_from: Some(at(0)), valid_until: None });
    let envelope = |root: &TrustRoot, keys: &[&SecretKey]| root.sign(keys).unwrap().to_bytes();
    vec![
        ("root", "small.json".into(), json(&small)),
        ("root", "full.json".into(), json(root())),
        ("root", "next.json".into(), json(&next)),
        ("root", "wide.json".into(), json(&wide)),
        ("root", "small.dsse.json".into(), envelope(&small, &owners)),
        ("root", "full.dsse.json".into(), envelope(root(), &owners)),
        ("root", "next.dsse.json".into(), envelope(&next, &[&keys()[0], &keys()[5]])),
    ]
}

fn bundles() -> Vec<Seed> {
    use std::io::Read as _;
    let parts = |yank| freehold_bundle::Parts { manifest: b"manifest".to_vec(), component: vec![7; 600], yank };
    let mut seeds: Vec<Seed> = Vec::new();
    for (name, yank) in [("plain", None), ("yanked", Some(b"yank".to_vec())), ("empty-yank", Some(vec![]))] {
        let bundle = freehold_bundle::write(&parts(yank)).expect("it is written to memory");
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(&bundle[..]).read_to_end(&mut archive).expect("it was just written");
        for (kind, bytes) in [(0, &bundle), (1, &archive), (2, &archive)] {
            seeds.push(("bundle", format!("{name}-{kind}"), [&[kind], bytes.as_slice()].concat()));
        }
    }
    seeds
}

/// A pack, and the proof of one of its entries. Its tree head is nobody's.
fn packs() -> Vec<Seed> {
    use std::io::Read as _;
    let checkpoint = b"fuzz-log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".to_vec();
    let hashes = vec![freehold_ledger::Hash([7; 32])];
    let proof = EntryProof { index: 3, record: b"{}".to_vec(), hashes, checkpoint: checkpoint.clone() }.to_bytes();
    let blobs = [b"one".to_vec(), b"two".to_vec()].map(|bytes| (Digest::of(&bytes), Blob::from(bytes)));
    let witnessed = Witnessed { checkpoint: checkpoint.clone(), consistency: Vec::new() };
    let (roots, proofs) = (vec![b"{}".to_vec()], BTreeMap::from([(3, proof.clone())]));
    let pack = Pack { run: "a-1".into(), roots, checkpoint, witnessed: Some(witnessed), proofs, blobs: blobs.into() };
    let bytes = freehold_pack::write(&pack, &(), Vec::new()).expect("it is written to memory");
    let mut archive = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut archive).expect("it was just written");
    let seed = |kind: u8, bytes: &[u8]| ("pack", format!("whole-{kind}"), [&[kind], bytes].concat());
    vec![
        seed(0, &bytes),
        seed(1, &archive),
        seed(2, &archive),
        ("proof", "entry".into(), proof),
        ("proof", "other".into(), b"c2sp.org/tlog-proof@v1\nindex 0\n\n".to_vec()),
    ]
}

fn key_files() -> Vec<Seed> {
    let public = keys()[0].public().to_pem().expect("a key has a PEM form");
    let secret = keys()[0].to_pem().expect("a key has a PEM form").as_bytes().to_vec();
    let uri = b"pkcs11:token=company;object=log;type=private".to_vec();
    // The point that is given with the curve (SEC 2, 2.4.2), as a public key.
    let p256 = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP\
                40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";
    let sealed =
        b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n-----END AGE ENCRYPTED FILE-----\n";
    [
        ("public.pem", public.into_bytes()),
        ("secret.pem", secret),
        ("p256.pem", p256.as_bytes().to_vec()),
        ("token.uri", uri),
        ("sealed.age", sealed.to_vec()),
    ]
    .map(|(name, bytes)| ("key_file", name.into(), bytes))
    .into()
}

/// The files of a small model; of files of tensors, the heads.
fn models() -> Vec<Seed> {
    let seed = |(which, (name, bytes)): (u8, &(&str, &[u8]))| {
        let length = bytes.first_chunk::<LENGTH_BYTES>().map_or(0, |length| u64::from_le_bytes(*length));
        let is_tensors = name.ends_with(".safetensors");
        let bytes = if is_tensors { &bytes[LENGTH_BYTES..LENGTH_BYTES + length as usize] } else { bytes };
        ("model", (*name).to_owned(), [&[which], bytes].concat())
    };
    (0..).zip(&MODEL).map(seed).collect()
}

fn statements() -> Vec<Seed> {
    let subject = vec![ResourceDescriptor::new("adapter", Digest::of(b"adapter"))];
    let predicate = serde_json::json!({ "run": "a-1", "record": Digest::of(b"record"), "note": null, "trust_root": 1 });
    let statement = Statement::new(subject, "urn:freehold:approval:v1", predicate);
    let payload = serde_json::to_vec(&statement).expect("a statement has a JSON form");
    let envelope = statement.sign(&keys()[0]).expect("a key signs").to_bytes();
    vec![("statement", "approval.json".into(), payload), ("statement", "approval.dsse.json".into(), envelope)]
}

fn logs() -> Vec<Seed> {
    with_log(|log| {
        let whole = FILES.iter().zip(log.files()).enumerate();
        let mut seeds: Vec<Seed> = whole
            .map(|(at, (file, bytes))| ("ledger", file.replace('/', "-"), [&[at as u8], bytes.as_slice()].concat()))
            .collect();
        let head = String::from_utf8_lossy(&log.files()[0]).lines().take(3).map(|line| format!("{line}\n")).collect();
        let head: String = head;
        for (name, text) in [
            ("head", head.clone()),
            ("head-huge", head.replace("\n20\n", "\n18446744073709551615\n")),
            ("head-other", head.replace("\n20\n", "\n300\n")),
        ] {
            seeds.push(("ledger", name.into(), [&[SIGNED], text.as_bytes()].concat()));
        }
        seeds
    })
}

/// A cosigned tree head, the text of one, and a proof of the first of two entries.
fn checkpoints() -> Vec<Seed> {
    let text = b"fuzz-log\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let numbers: Vec<u8> = [1_u64, 2, 0].iter().flat_map(|number| number.to_be_bytes()).collect();
    [
        ("note", 0, cosigned(text).unwrap_or_default()),
        ("text", SIGNED_TEXT, text.to_vec()),
        ("proof", PROOF, [&numbers[..], &[7; 96]].concat()),
    ]
    .map(|(name, which, bytes)| ("checkpoint", name.into(), [&[which], bytes.as_slice()].concat()))
    .into()
}
