//! `wit/released/`: one folder a version, frozen; and the rules by which the contract grows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use freehold_core::contract::{CONTRACT, accepted};
use freehold_core::digest::Digest;
use freehold_tests::workspace;
use semver::Version;

use crate::compare::{Contract, PACKAGES};

fn wit() -> PathBuf {
    workspace().join("wit")
}

fn released() -> PathBuf {
    wit().join("released")
}

/// The released versions, oldest first.
pub(crate) fn versions() -> Vec<Version> {
    let entries = std::fs::read_dir(released()).unwrap().map(|entry| entry.unwrap().path());
    let folders = entries.filter(|path| path.is_dir());
    let mut versions: Vec<Version> =
        folders.map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap()).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

/// Every file below `folder` by its path there, with what it holds.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The files of the five packages in `folder`.
fn packages(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let named = |name: &'static str| {
        files(&folder.join(name)).into_iter().map(move |(file, text)| (format!("{name}/{file}"), text))
    };
    PACKAGES.into_iter().flat_map(named).collect()
}

#[test]
fn what_was_released_is_frozen() {
    let mut found = files(&released());
    let list = String::from_utf8(found.remove("SHA256SUMS").unwrap()).unwrap();
    let listed: BTreeMap<String, String> = list
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(digest, file)| (file.to_owned(), digest.to_owned()))
        .collect();
    assert_eq!(listed.len(), list.lines().count());
    let found: BTreeMap<String, String> =
        found.into_iter().map(|(file, text)| (file, Digest::of(&text).hex())).collect();
    assert_eq!(found, listed, "a released version never changes: make a new one");
}

#[test]
fn the_contract_that_is_built_is_the_one_that_was_released() {
    let newest = versions().pop().unwrap();
    assert!(newest <= CONTRACT, "{newest} is released, and this build speaks {CONTRACT}");
    if newest == CONTRACT {
        let same = packages(&wit()) == packages(&released().join(newest.to_string()));
        assert!(
            same,
            "wit/ is not {newest} as it was released: raise CONTRACT, and the versions of the packages that change"
        );
    }
}

/// The released versions, and the one that is worked on.
fn all() -> Vec<(Version, PathBuf)> {
    let mut all: Vec<_> =
        versions().into_iter().map(|version| (version.clone(), released().join(version.to_string()))).collect();
    if all.last().is_none_or(|(newest, _)| *newest != CONTRACT) {
        all.push((CONTRACT, wit()));
    }
    all
}

#[test]
fn each_version_only_adds_to_the_one_before() {
    for pair in all().windows(2) {
        let [(before, old), (after, new)] = pair else { continue };
        if before.major != after.major {
            continue;
        }
        let (was, is) = (Contract::read(old), Contract::read(new));
        assert_eq!(was.breaks_in(&is), [""; 0], "{before} to {after}");
        // What has a version has one text, and what has another text has another version.
        let (old, new) = (packages(old), packages(new));
        for name in PACKAGES {
            let of = |files: &BTreeMap<String, Vec<u8>>| {
                let here = |file: &str| file.starts_with(&format!("{name}/"));
                files.iter().filter(|(file, _)| here(file)).map(|(_, text)| text.clone()).collect::<Vec<_>>()
            };
            assert_eq!(was.versions[name] == is.versions[name], of(&old) == of(&new), "{name}, {before} to {after}");
            assert!(is.versions[name] <= *after, "{name} is newer than the contract {after}");
        }
    }
}

/// What the host checks plugins against is what the released folders say.
#[test]
fn the_host_knows_what_is_in_each_version() {
    let folders: BTreeMap<_, _> = all().into_iter().collect();
    for (version, interfaces) in accepted() {
        let contract = Contract::read(&folders[version]);
        let found: BTreeMap<String, Version> =
            contract.versions.into_iter().map(|(name, version)| (format!("freehold:{name}/{name}"), version)).collect();
        let known = interfaces.iter().map(|(name, version)| ((*name).to_owned(), version.clone())).collect();
        assert_eq!(found, known, "contract {version}");
    }
    let same_major = folders.keys().filter(|version| version.major == CONTRACT.major);
    assert!(same_major.eq(accepted().map(|(version, _)| version)), "every version of this major version is accepted");
}

/// A copy of a released version, changed.
fn changed(version: &str, file: &str, from: &str, to: &str) -> Contract {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in packages(&released().join(version)) {
        let path = folder.path().join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut text = String::from_utf8(text).unwrap();
        if name == file {
            assert_eq!(text.matches(from).count(), 1, "`{from}` in {file}");
            text = text.replace(from, to);
        }
        std::fs::write(path, text).unwrap();
    }
    Contract::read(folder.path())
}

#[test]
fn additions_pass_and_changes_do_not() {
    let was = Contract::read(&released().join("1.0.0"));
    let (types, platform, policy) = ("types/types.wit", "platform/platform.wit", "policy/policy.wit");
    let last = "asset: func(name: string) -> option<list<u8>>;";
    let next = format!("{last}\n    locale: func() -> string;\n    record hint {{ text: string }}");
    for (file, from, to) in [
        (platform, last, next.as_str()),
        (platform, "/// Writes one line", "/// Writes a line"),
        (platform, "        debug,\n        info,", "        debug, info,"),
        (
            policy,
            "interface policy {",
            "interface more { ask: func(); }\ninterface policy {\n    type reason = string;",
        ),
        (policy, "    export policy;", "    import now: func() -> u64;\n    export policy;"),
    ] {
        assert_eq!(was.breaks_in(&changed("1.0.0", file, from, to)), [""; 0], "{to}");
    }
    for (file, from, to, says) in [
        (platform, "    log: func(level: level, message: string);", "", "freehold:platform/platform.log is gone"),
        (platform, "message: string, location: string", "message: string, place: string", "platform.panicked was"),
        (platform, "message: string, location: string", "message: string", "platform.panicked was"),
        (
            platform,
            "settings: func() -> string",
            "settings: func() -> list<u8>",
            "platform.settings was `func() -> string`",
        ),
        (platform, "        error,\n", "        error,\n        fatal,\n", "platform.level was `enum"),
        (platform, "        debug,\n        info,", "        info,\n        debug,", "platform.level was `enum"),
        (types, "        boolean(bool),\n", "", "types.attribute-value was `variant"),
        (types, "integer(s64)", "integer(s32)", "types.attribute-value was `variant"),
        (types, "rows: u32,", "rows: u64,", "types.batch was `record"),
        (
            types,
            "validity: option<list<u8>>,",
            "validity: option<list<u8>>,\n        unit: string,",
            "types.column was",
        ),
        (types, "name: string,\n        data", "title: string,\n        data", "types.column was `record { name"),
        (policy, "result<verdict, string>", "result<verdict>", "policy.check was"),
        (
            policy,
            "    check: func",
            "    explain: func() -> string;\n    check: func",
            "policy.explain is new, and plugins",
        ),
        (
            policy,
            "    export policy;",
            "    export policy;\n    export stop: func();",
            "exports stop is new, and plugins",
        ),
        (policy, "    export policy;", "", "freehold:policy/policy-plugin exports freehold:policy/policy is gone"),
        (policy, "    import freehold:platform/platform@1.0.0;", "", "imports freehold:platform/platform is gone"),
        (policy, "world policy-plugin", "world judge", "freehold:policy/policy-plugin is gone"),
    ] {
        let breaks = was.breaks_in(&changed("1.0.0", file, from, to));
        assert!(breaks.iter().any(|said| said.contains(says)), "{to}: {breaks:?}");
    }
    let mut older = Contract::read(&released().join("1.0.0"));
    older.versions.insert("types".into(), Version::new(0, 9, 0));
    assert_eq!(was.breaks_in(&older), ["package types 1.0.0 became 0.9.0"]);
}
