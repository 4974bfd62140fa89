//! The rules of imports: who may name what. The direction of the arrows is the architecture.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use freehold_tests::workspace;
use serde_json::Value;

fn name(value: &Value) -> String {
    value["name"].as_str().unwrap().to_owned()
}

/// Dependencies of every crate of the workspace, those of tests left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output =
        cargo.current_dir(workspace()).args(["metadata", "--no-deps", "--format-version", "1"]).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let normal = |package: &Value| {
        let kept = package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"] != "dev");
        kept.map(name).collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), normal(package))).collect()
}

/// Which crates of the host name one of these. Those that only test may name what they test with.
fn naming(names: &[&str]) -> Vec<String> {
    let host = dependencies().into_iter().filter(|(package, _)| package.starts_with("freehold"));
    let found = host.filter(|(_, needs)| needs.iter().any(|need| names.contains(&need.as_str())));
    found
        .map(|(package, _)| package)
        .filter(|package| !["freehold-tests", "freehold-fuzz"].contains(&package.as_str()))
        .collect()
}

#[test]
fn no_weight_reaches_a_plugin() {
    let all = dependencies();
    assert!(!all["freehold-sandbox"].contains("freehold-engine"));
    assert!(!all["freehold-engine"].contains("freehold-sandbox"));
}

#[test]
fn one_crate_names_each_heavy_thing() {
    assert_eq!(naming(&["wasmtime"]), ["freehold-sandbox"]);
    assert_eq!(naming(&["candle-core", "tokenizers", "safetensors"]), ["freehold-engine"]);
    assert_eq!(
        naming(&["ed25519-dalek", "signed_note", "p256", "getrandom", "hmac", "age", "cryptoki", "subtle"]),
        ["freehold-trust"]
    );
    assert_eq!(naming(&["clap", "indicatif", "comfy-table", "anstream", "miette", "rpassword"]), ["freehold"]);
    assert_eq!(naming(&["wit-component", "wasm-encoder"]), ["freehold-component"]);
    // Who reads a component is who builds it, and who has to know what it costs before it is compiled.
    assert_eq!(naming(&["wasmparser"]), ["freehold-component", "freehold-sandbox"]);
    assert_eq!(naming(&["hf-hub", "ureq"]), ["freehold-hub"]);
    assert_eq!(naming(&["rusqlite"]), ["freehold-index"]);
    assert_eq!(naming(&["tar"]), ["freehold-archive"]);
    assert_eq!(naming(&["flate2"]), ["freehold-archive", "freehold-rows"]);
    assert_eq!(naming(&["parquet", "arrow-array", "arrow-ipc", "ruzstd", "snap", "lz4_flex"]), ["freehold-rows"]);
    assert_eq!(naming(&["axum", "hyper", "hyper-util", "http-body-util", "tokio"]), ["freehold-server"]);
    assert_eq!(naming(&["reqwest"]), [""; 0]);
}

/// What strangers send is decompressed by safe Rust. Another crate of the build could enable another backend for all, or the
/// codecs of the crate that reads Parquet, which know no limits.
#[test]
fn what_strangers_compressed_is_read_by_safe_rust() {
    let gzip = features("flate2");
    assert!(gzip.contains("miniz_oxide") && !gzip.contains("zlib"), "{gzip}");
    let lz4 = features("lz4_flex");
    assert!(lz4.contains("safe-decode") && lz4.contains("checked-decode"), "{lz4}");
    assert_eq!(
        features("parquet").split(',').filter(|feature| ["snap", "zstd", "lz4", "flate2"].contains(feature)).count(),
        0
    );
}

/// The features of a crate in the build of everything.
fn features(name: &str) -> String {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let tree = ["tree", "--workspace", "--locked", "--offline", "--invert", name, "--depth", "0", "--format", "{f}"];
    let output = cargo.args(tree).current_dir(workspace()).output().unwrap();
    let features = String::from_utf8(output.stdout).unwrap();
    assert!(!features.is_empty(), "{name} is not in the build");
    features
}

#[test]
fn arrows_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = [
        ("freehold-core", &[][..]),
        // Arithmetic: rows in, answers out.
        ("freehold-drift", &[]),
        ("freehold-files", &[]),
        // Bytes in, parts out: what is a stranger's is parsed by a crate that can do nothing with it.
        ("freehold-archive", &[]),
        ("freehold-bundle", &["archive"]),
        ("freehold-pack", &["core", "archive"]),
        ("freehold-trust", &["core"]),
        ("freehold-rows", &["core"]),
        ("freehold-store", &["core", "files"]),
        ("freehold-ledger", &["core", "files", "trust"]),
        // It says where to look, and can read nothing.
        ("freehold-index", &["core"]),
        ("freehold-cache", &["files", "trust"]),
        ("freehold-sandbox", &["core", "trust", "cache"]),
        // Builds without the sandbox: who only builds plugins does not compile wasmtime.
        ("freehold-component", &[]),
        ("freehold-authoring", &["core", "files", "trust", "sandbox"]),
        // Arithmetic: it knows nothing of models.
        ("freehold-kernels", &[]),
        ("freehold-engine", &["core", "kernels"]),
        // The network: it sees no key, no data and no record.
        ("freehold-hub", &["core", "files"]),
        (
            "freehold-workflow",
            &[
                "core", "files", "bundle", "pack", "rows", "trust", "store", "ledger", "index", "cache", "sandbox",
                "engine", "hub", "drift",
            ],
        ),
        // HTTP: what it may serve, and keep, the workflow says.
        ("freehold-server", &["core", "engine", "workflow"]),
        ("freehold", &["core", "files", "trust", "sandbox", "engine", "workflow", "server", "component", "authoring"]),
        ("freehold-sdk", &[]),
    ]
    .into();
    for (package, needs) in dependencies() {
        let Some(allowed) = allowed.get(package.as_str()) else { continue };
        for need in needs.iter().filter_map(|need| need.strip_prefix("freehold-")) {
            assert!(allowed.contains(&need), "{package} must not depend on freehold-{need}");
        }
    }
    let plugins =
        dependencies().into_iter().filter(|(package, _)| !package.starts_with("freehold") && package != "xtask");
    for (package, needs) in plugins {
        let host = needs.iter().find(|need| need.starts_with("freehold-") && *need != "freehold-sdk");
        assert_eq!(host, None, "plugin {package} must know nothing of the host");
    }
}

/// Files are opened through cap-std, and only the command line reads the environment.
#[test]
fn libraries_touch_neither_ambient_files_nor_the_environment() {
    for library in [
        "core",
        "drift",
        "files",
        "archive",
        "bundle",
        "pack",
        "rows",
        "trust",
        "store",
        "ledger",
        "cache",
        "sandbox",
        "engine",
        "hub",
        "workflow",
        "server",
        "component",
        "authoring",
    ] {
        let mut files = vec![workspace().join("host").join(library).join("src")];
        while let Some(path) = files.pop() {
            if path.is_dir() {
                files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            if path.ends_with("tests.rs") {
                continue;
            }
            for forbidden in [
                "std::fs::read",
                "std::fs::write",
                "fs::File::open",
                "std::env::var",
                "println!",
                "ambient_authority()",
                // What cannot be looked at would be taken for missing.
                ".exists(",
                ".is_file(name)",
            ] {
                assert!(!code.contains(forbidden), "{} names {forbidden}", path.display());
            }
        }
    }
}
