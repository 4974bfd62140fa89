//! `plugin new`: a folder that builds on its own. The SDK is not published, so it comes along, as it was when this program
//! was built.

use cap_std::fs::Dir;
use freehold_core::manifest::World;
use freehold_core::name::PluginName;

use crate::AuthoringError;

/// Where the example comes from, by world: `plugin.toml`, `src/lib.rs`, two cases, and a sentence for the README.
struct Example {
    source: &'static str,
    code: &'static str,
    cases: [(&'static str, &'static str); 2],
    what: &'static str,
}

/// A file of the new folder: its path and its text.
type File = (String, String);

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../templates/", $file))
    };
}

/// The SDK and the contract, below `vendor/`.
const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

fn example(world: World) -> Example {
    match world {
        World::Transform => Example {
            source: template!("transform/plugin.toml.in"),
            code: template!("transform/lib.rs"),
            cases: [
                ("tidy", template!("transform/cases/tidy.toml")),
                ("no-column", template!("transform/cases/no-column.toml")),
            ],
            what: "It tidies the spaces of a text column and drops rows with too few words.",
        },
        World::Metric => Example {
            source: template!("metric/plugin.toml.in"),
            code: template!("metric/lib.rs"),
            cases: [
                ("contains", template!("metric/cases/contains.toml")),
                ("case-matters", template!("metric/cases/case-matters.toml")),
            ],
            what: "It measures the share of answers that contain the reference.",
        },
        World::Policy => Example {
            source: template!("policy/plugin.toml.in"),
            code: template!("policy/lib.rs"),
            cases: [
                ("gained", template!("policy/cases/gained.toml")),
                ("not-measured", template!("policy/cases/not-measured.toml")),
            ],
            what: "It denies promotion unless a metric gained enough over the base model.",
        },
    }
}

/// The files of a new plugin.
fn files(world: World, name: &PluginName) -> Vec<File> {
    let example = example(world);
    let filled = |text: &str| {
        // A prefix, because a crate's name must not begin with a digit or be that of a crate that is used.
        text.replace("{{package}}", &format!("plugin-{}", name.name()))
            .replace("{{plugin}}", &name.to_string())
            .replace("{{world}}", &world.to_string())
            .replace("{{what}}", example.what)
            .replace("{{version}}", env!("CARGO_PKG_VERSION"))
            .replace("{{rust}}", env!("CARGO_PKG_RUST_VERSION"))
    };
    let own = [
        ("Cargo.toml", template!("Cargo.toml.in")),
        ("plugin.toml", example.source),
        ("README.md", template!("README.md.in")),
        (".gitignore", template!("gitignore")),
        ("src/lib.rs", example.code),
        ("vendor/sdk/Cargo.toml", template!("sdk.toml")),
    ];
    let own = own.into_iter().map(|(path, text)| (path.to_owned(), filled(text)));
    let cases = example.cases.into_iter().map(|(name, text)| (format!("cases/{name}.toml"), text.to_owned()));
    let sdk = SDK.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    own.chain(cases).chain(sdk).collect()
}

/// Writes a new plugin into the folder `folder` of `parent`, which must not be there, and returns the paths written, without
/// those of the SDK. After a failure nothing is left.
pub fn new_plugin(parent: &Dir, folder: &str, world: World, name: &PluginName) -> Result<Vec<String>, AuthoringError> {
    let failed = |source| AuthoringError::Folder { action: "create", folder: folder.into(), source };
    parent.create_dir(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => AuthoringError::Exists(folder.into()),
        _ => failed(error),
    })?;
    let written = parent.open_dir(folder).map_err(failed).and_then(|dir| {
        let files = files(world, name);
        for (path, text) in &files {
            freehold_files::write(&dir, path, text.as_bytes())?;
        }
        Ok(files.into_iter().map(|(path, _)| path).filter(|path| !path.starts_with("vendor/")).collect())
    });
    if written.is_err() {
        // The error that matters is the one above.
        let _ = parent.remove_dir_all(folder);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cap_std::ambient_authority;
    use freehold_core::manifest::PluginSource;
    use freehold_core::toml_text;

    use super::*;

    const WORLDS: [World; 3] = [World::Transform, World::Metric, World::Policy];

    #[test]
    fn every_file_is_filled_in_and_every_manifest_is_of_its_world() {
        for world in WORLDS {
            let files = files(world, &"acme/x1".parse().unwrap());
            assert_eq!(files.iter().map(|(path, _)| path).collect::<BTreeSet<_>>().len(), files.len());
            for (path, text) in &files {
                assert!(!text.contains("{{") || path.starts_with("vendor/sdk/src"), "{path} is not filled in");
            }
            let text = |wanted: &str| &files.iter().find(|(path, _)| path == wanted).unwrap().1;
            let source: PluginSource = toml_text::parse(text("plugin.toml")).unwrap();
            assert_eq!((source.name.to_string().as_str(), source.world), ("acme/x1", world));
            let cargo: toml::Table = text("Cargo.toml").parse().unwrap();
            assert!(cargo.contains_key("workspace"), "it would be taken for a member of what lies around it");
            assert!(text("vendor/wit/types/types.wit").contains("package freehold:types@1"));
            assert!(text("vendor/sdk/src/lib.rs").contains("pub use transform::Transform"));
        }
    }

    #[test]
    fn the_sdk_comes_with_the_dependencies_of_the_workspace() {
        let workspace: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
        let workspace = workspace["workspace"]["dependencies"].as_table().unwrap();
        let own: toml::Table = include_str!("../../../sdk/Cargo.toml").parse().unwrap();
        let vendored: toml::Table = template!("sdk.toml").parse().unwrap();
        let native = |table: &toml::Table| table["target"]["cfg(not(target_family = \"wasm\"))"].clone();
        for (vendored, own) in
            [(&vendored, &own), (native(&vendored).as_table().unwrap(), native(&own).as_table().unwrap())]
        {
            let vendored = vendored["dependencies"].as_table().unwrap();
            let names = |table: &toml::Table| table.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(vendored), names(own["dependencies"].as_table().unwrap()));
            for (name, dependency) in vendored {
                assert_eq!(dependency, &workspace[name], "{name}");
            }
        }
    }

    #[test]
    fn a_folder_that_is_there_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let new = || new_plugin(&dir, "x", World::Metric, &"acme/x".parse().unwrap());
        assert!(new().unwrap().contains(&"cases/contains.toml".to_owned()));
        dir.write("x/src/lib.rs", "mine").unwrap();
        assert!(matches!(new(), Err(AuthoringError::Exists(_))));
        assert_eq!(dir.read_to_string("x/src/lib.rs").unwrap(), "mine");
    }
}
