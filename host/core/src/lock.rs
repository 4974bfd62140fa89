//! The lockfile, `freehold.lock`: to what bytes the names of a recipe were resolved.

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::hub::Commit;
use crate::name::PluginName;
use crate::recipe::Recipe;
use crate::toml_text::{self, TomlError};

/// A whole lockfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lockfile {
    /// Version of this format.
    pub version: u32,
    /// Digest of the recipe's canonical form.
    pub recipe: Digest,
    /// The base model.
    pub base: LockedBase,
    /// What is trained further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<LockedStart>,
    /// The datasets, in the recipe's order.
    pub data: Vec<LockedFile>,
    /// The plugins, by name and version.
    #[serde(default)]
    pub plugin: Vec<LockedPlugin>,
    /// The granted files.
    #[serde(default)]
    pub asset: Vec<LockedFile>,
}

/// A named file or folder and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// Its name in the recipe.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// The base model's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedBase {
    /// Its name in the recipe.
    pub name: String,
    /// The commit that the revision in its name stood for, if it comes from a hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// Its digest.
    pub digest: Digest,
}

/// The adapter that is trained further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedStart {
    /// Its name in the recipe.
    pub name: String,
    /// Its manifest in the store.
    pub digest: Digest,
    /// The name of its base model in the recipe that it was trained with.
    pub base: String,
    /// The digest of its base model.
    pub base_digest: Digest,
}

/// A plugin's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPlugin {
    /// Its name.
    pub name: PluginName,
    /// Its version.
    pub version: Version,
    /// Digest of the component.
    pub component: Digest,
    /// Digest of the signed manifest.
    pub manifest: Digest,
}

impl Lockfile {
    /// The version that this build writes.
    pub const VERSION: u32 = 1;

    /// Reads a lockfile.
    pub fn parse(document: &str) -> Result<Self, TomlError> {
        let lock: Self = toml_text::parse(document)?;
        if lock.version != Self::VERSION {
            return Err(TomlError {
                message: format!("lockfile has version {}, this build reads {}", lock.version, Self::VERSION),
                span: None,
                remedy: Some("delete it and run again to write a new one".into()),
            });
        }
        Ok(lock)
    }

    /// The text of the lockfile.
    pub fn to_document(&self) -> Result<String, toml::ser::Error> {
        let head = "# Written by freehold. It pins the recipe's names to digests; keep it under version control.\n\n";
        Ok(format!("{head}{}", toml::to_string(self)?))
    }

    /// The newest locked version of a plugin that fits. A recipe may use two versions of one: each range has locked the newest.
    pub fn newest(&self, name: &PluginName, range: &VersionReq) -> Option<&LockedPlugin> {
        let fitting = self.plugin.iter().filter(|plugin| plugin.name == *name && range.matches(&plugin.version));
        fitting.max_by(|a, b| a.version.cmp(&b.version))
    }

    /// What differs from `before`, a line each.
    pub fn moved_from(&self, before: &Self) -> Vec<String> {
        let mut moved = Vec::new();
        if self.recipe != before.recipe {
            moved.push("the recipe was edited".into());
        }
        let files = |kind: &str, now: &[LockedFile], then: &[LockedFile], moved: &mut Vec<String>| {
            for file in now {
                match then.iter().find(|other| other.name == file.name) {
                    None => moved.push(format!("{kind} `{}` is new", file.name)),
                    Some(other) if other.digest != file.digest => {
                        let (from, to) = (other.digest.short(), file.digest.short());
                        moved.push(format!("{kind} `{}` has other bytes: {from} -> {to}", file.name));
                    }
                    Some(_) => {}
                }
            }
            for file in then.iter().filter(|file| !now.iter().any(|other| other.name == file.name)) {
                moved.push(format!("{kind} `{}` is gone", file.name));
            }
        };
        let base = |base: &LockedBase| [LockedFile { name: base.name.clone(), digest: base.digest }];
        if let (true, Some(from), Some(to)) =
            (self.base.name == before.base.name, &before.base.commit, &self.base.commit)
            && from != to
        {
            moved.push(format!(
                "base model `{}` is another commit: {} -> {}",
                self.base.name,
                from.short(),
                to.short()
            ));
        }
        files("base model", &base(&self.base), &base(&before.base), &mut moved);
        let start = |start: &Option<LockedStart>| {
            start.iter().map(|start| LockedFile { name: start.name.clone(), digest: start.digest }).collect::<Vec<_>>()
        };
        files("start", &start(&self.start), &start(&before.start), &mut moved);
        files("dataset", &self.data, &before.data, &mut moved);
        files("asset", &self.asset, &before.asset, &mut moved);
        plugins(&self.plugin, &before.plugin, &mut moved);
        moved
    }
}

/// A version that both have is compared; of the others, each old one is followed by a new one as long as there are both.
fn plugins(now: &[LockedPlugin], then: &[LockedPlugin], moved: &mut Vec<String>) {
    let same = |a: &LockedPlugin, b: &LockedPlugin| (&a.name, &a.version) == (&b.name, &b.version);
    let absent = |from: &[LockedPlugin], plugin: &&LockedPlugin| !from.iter().any(|other| same(other, plugin));
    let mut gone: Vec<&LockedPlugin> = then.iter().filter(|plugin| absent(now, plugin)).collect();
    for plugin in now {
        let LockedPlugin { name, version, component, manifest } = plugin;
        if let Some(other) = then.iter().find(|other| same(other, plugin)) {
            if other.component != *component {
                let (from, to) = (other.component.short(), component.short());
                moved.push(format!("plugin `{name}` {version} has another component: {from} -> {to}"));
            } else if other.manifest != *manifest {
                let (from, to) = (other.manifest.short(), manifest.short());
                moved.push(format!("plugin `{name}` {version} has another signed manifest: {from} -> {to}"));
            }
            continue;
        }
        let to = component.short();
        moved.push(match gone.iter().position(|other| other.name == *name) {
            None => format!("plugin `{name}` {version} ({to}) is new"),
            Some(at) => {
                let other = gone.remove(at);
                let older = if *version < other.version { ", which is newer" } else { "" };
                format!(
                    "plugin `{name}` is now {version} ({to}), was {} ({}){older}",
                    other.version,
                    other.component.short()
                )
            }
        });
    }
    moved.extend(gone.into_iter().map(|plugin| format!("plugin `{}` {} is gone", plugin.name, plugin.version)));
}

/// Digest of a recipe's canonical form: JSON with sorted keys and defaults written out, so that neither comments nor
/// layout change it.
pub fn recipe_digest(recipe: &Recipe) -> Digest {
    // A recipe holds only strings, numbers, booleans, lists and tables with string keys: all of them are JSON.
    let canonical = serde_json::to_value(recipe).map(|value| value.to_string()).unwrap_or_default();
    Digest::of(canonical.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> LockedFile {
        LockedFile { name: name.into(), digest: Digest::of(bytes) }
    }

    fn lock() -> Lockfile {
        let plugin = LockedPlugin {
            name: "acme/redact".parse().unwrap(),
            version: Version::new(1, 0, 0),
            component: Digest::of(b"c"),
            manifest: Digest::of(b"m"),
        };
        Lockfile {
            version: 1,
            recipe: Digest::of(b"r"),
            base: LockedBase { name: "models/base-1".into(), commit: None, digest: Digest::of(b"b") },
            start: None,
            data: vec![file("a", b"1"), file("b", b"2")],
            plugin: vec![plugin],
            asset: vec![],
        }
    }

    #[test]
    fn a_lockfile_survives_its_text() {
        assert_eq!(Lockfile::parse(&lock().to_document().unwrap()).unwrap(), lock());
        let other = lock().to_document().unwrap().replace("version = 1\n", "version = 2\n");
        assert!(Lockfile::parse(&other).is_err());
    }

    /// A lockfile of a base model in a folder is what it was before there were hubs, byte for byte.
    #[test]
    fn only_a_model_of_a_hub_has_a_commit() {
        assert!(!lock().to_document().unwrap().contains("commit"));
        let at = |commit: &str, bytes: &[u8]| {
            let base = LockedBase {
                name: "hf:a/b@main".into(),
                commit: Some(commit.repeat(40).parse().unwrap()),
                digest: Digest::of(bytes),
            };
            Lockfile { base, ..lock() }
        };
        assert_eq!(Lockfile::parse(&at("1", b"b").to_document().unwrap()).unwrap(), at("1", b"b"));
        assert_eq!(
            at("2", b"c").moved_from(&at("1", b"b")),
            [
                "base model `hf:a/b@main` is another commit: 111111111111 -> 222222222222",
                "base model `hf:a/b@main` has other bytes: 3e23e8160039 -> 2e7d2c03a950",
            ]
        );
        // The license of a commit may change and its model not.
        assert_eq!(at("2", b"b").moved_from(&at("1", b"b")).len(), 1);
    }

    #[test]
    fn what_moved_is_named() {
        assert!(lock().moved_from(&lock()).is_empty());
        let mut now = lock();
        now.data = vec![file("a", b"other"), file("c", b"3")];
        now.plugin[0].version = Version::new(1, 1, 0);
        let moved = now.moved_from(&lock()).join("\n");
        let mut two = lock();
        two.plugin.push(LockedPlugin { version: Version::new(2, 0, 0), ..two.plugin[0].clone() });
        assert_eq!(lock().moved_from(&two), ["plugin `acme/redact` 2.0.0 is gone"]);
        assert_eq!(Lockfile { plugin: vec![], ..lock() }.moved_from(&lock()), ["plugin `acme/redact` 1.0.0 is gone"]);
        for part in ["`a` has other bytes", "`c` is new", "`b` is gone", "is now 1.1.0", "was 1.0.0"] {
            assert!(moved.contains(part), "{moved}");
        }
    }

    #[test]
    fn each_way_in_which_a_plugin_moves_has_its_own_line() {
        let at = |version: &str, component: &[u8], manifest: &[u8]| LockedPlugin {
            version: version.parse().unwrap(),
            component: Digest::of(component),
            manifest: Digest::of(manifest),
            ..lock().plugin[0].clone()
        };
        let moved = |then: &[LockedPlugin], now: &[LockedPlugin]| {
            let lock = |plugin: &[LockedPlugin]| Lockfile { plugin: plugin.to_vec(), ..lock() };
            lock(now).moved_from(&lock(then)).join("; ")
        };
        let (one, two) = (at("1.0.0", b"1", b"1"), at("2.0.0", b"2", b"2"));
        for (then, now, line) in [
            (vec![], vec![], ""),
            (vec![], vec![&one], "plugin `acme/redact` 1.0.0 (6b86b273ff34) is new"),
            (vec![&one], vec![&two], "is now 2.0.0 (d4735e3a265e), was 1.0.0 (6b86b273ff34)"),
            (vec![&two], vec![&one], "is now 1.0.0 (6b86b273ff34), was 2.0.0 (d4735e3a265e), which is newer"),
            (vec![&one], vec![&one, &two], "plugin `acme/redact` 2.0.0 (d4735e3a265e) is new"),
            (vec![&one, &two], vec![&two], "plugin `acme/redact` 1.0.0 is gone"),
            (vec![&one], vec![&at("1.0.0", b"2", b"2")], "1.0.0 has another component: 6b86b273ff34 -> d4735e3a265e"),
            (
                vec![&one],
                vec![&at("1.0.0", b"1", b"2")],
                "1.0.0 has another signed manifest: 6b86b273ff34 -> d4735e3a265e",
            ),
            (
                vec![&one, &two],
                vec![&two, &at("1.1.0", b"1", b"1")],
                "is now 1.1.0 (6b86b273ff34), was 1.0.0 (6b86b273ff34)",
            ),
        ] {
            let list = |plugins: &[&LockedPlugin]| plugins.iter().map(|plugin| (*plugin).clone()).collect::<Vec<_>>();
            let said = moved(&list(&then), &list(&now));
            assert!(said.ends_with(line) && (said.is_empty() == line.is_empty()), "{said}");
            assert!(!said.contains(';'), "one line: {said}");
        }
    }

    #[test]
    fn the_newest_locked_version_that_fits_is_found() {
        let mut two = lock();
        two.plugin.insert(0, LockedPlugin { version: Version::new(1, 2, 0), ..two.plugin[0].clone() });
        let name = "acme/redact".parse().unwrap();
        let newest = |range: &str| two.newest(&name, &range.parse().unwrap()).map(|plugin| plugin.version.to_string());
        assert_eq!(newest("^1").as_deref(), Some("1.2.0"));
        assert_eq!(newest("=1.0.0").as_deref(), Some("1.0.0"));
        assert_eq!(newest("^2"), None);
        assert_eq!(two.newest(&"acme/other".parse().unwrap(), &VersionReq::STAR), None);
    }
}
