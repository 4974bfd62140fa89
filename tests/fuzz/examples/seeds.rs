//! Writes the seeds of the corpora (`fuzz/corpus`) and the guest of the target `outcome` (`guest/echo.wasm`):
//! `cargo run --package freehold-fuzz --example seeds`. What a search found beside them stays.

#![expect(clippy::unwrap_used, reason = "a chore that cannot go on stops")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use freehold_fuzz::Seed;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn main() {
    let corpus = workspace().join("fuzz/corpus");
    write(&corpus, tables());
    std::fs::write(workspace().join("tests/fuzz/guest/echo.wasm"), component("transform", &guest("echo"))).unwrap();
    let mut seeds = freehold_fuzz::seeds(&sources());
    for name in ["demo/freehold.toml", "demo/denied.toml", "demo/changelogs.toml"] {
        let text = std::fs::read(workspace().join(name)).unwrap();
        seeds.push(("recipe", name.replace('/', "-"), text));
    }
    seeds.push(("recipe", "lock.toml".into(), lock().into_bytes()));
    for (name, bytes) in components() {
        seeds.push(("component", name.into(), bytes));
    }
    write(&corpus, seeds);
}

fn write(corpus: &Path, seeds: Vec<Seed>) {
    for (target, name, bytes) in seeds {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("seed-{name}")), bytes).unwrap();
    }
}

fn guest(name: &str) -> String {
    std::fs::read_to_string(workspace().join(format!("tests/fuzz/guest/{name}.wat"))).unwrap()
}

/// The `plugin.toml` of every plugin of the project.
fn sources() -> BTreeMap<String, String> {
    let folders = std::fs::read_dir(workspace().join("plugins")).unwrap();
    let source = |folder: PathBuf| {
        let text = std::fs::read_to_string(folder.join("plugin.toml")).ok()?;
        Some((folder.file_name()?.to_str()?.to_owned(), text))
    };
    folders.filter_map(|entry| source(entry.unwrap().path())).collect()
}

fn lock() -> String {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let plugin = |version: &str| {
        format!("[[plugin]]\nname = 'acme/x'\nversion = '{version}'\ncomponent = '{digest}'\nmanifest = '{digest}'\n")
    };
    format!(
        "version = 1\nrecipe = '{digest}'\nbase = {{ name = 'm', digest = '{digest}' }}\n\
         data = [{{ name = 'a', digest = '{digest}' }}]\nasset = [{{ name = 'b', digest = '{digest}' }}]\n{}{}",
        plugin("1.0.0"),
        plugin("2.0.0-rc.1")
    )
}

/// The component of a module for a world. Modules are written for version 1.0.0 of the contract; what they export is the same
/// in those after it.
fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::new();
    for package in ["types", "platform"] {
        resolve.push_path(workspace().join("wit").join(package)).unwrap();
    }
    let (package, _) = resolve.push_path(workspace().join("wit").join(world)).unwrap();
    let version = resolve.packages[package].name.version.clone().unwrap();
    let mut module = wat::parse_str(module.replace("@1.0.0#", &format!("@{version}#"))).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

pub(crate) fn components() -> Vec<(&'static str, Vec<u8>)> {
    let memory = "(memory (export \"memory\") 2) (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)
        (i32.const 65536))";
    // ok(verdict { allow, "ok", "ok", [] })
    let verdict = "(data (i32.const 256) \"\\00\\00\\00\\00\\00\\00\\00\\00\\00\\04\\00\\00\\02\\00\\00\\00\\00\\04\\00\\00\\02\\00\\00\\00\")
        (data (i32.const 1024) \"ok\")";
    let policy = format!(
        "(module {memory} {verdict}
         (func (export \"freehold:policy/policy@1.0.0#check\") (param i32) (result i32) (i32.const 256)))"
    );
    let metric = format!(
        "(module {memory} (data (i32.const 16) \"\\00\\00\\00\\00\\30\\00\\00\\00\\01\\00\\00\\00\\01\")
         (data (i32.const 48) \"\\38\\00\\00\\00\\01\") (data (i32.const 56) \"s\")
         (func (export \"freehold:metric/metric@1.0.0#describe\") (result i32) (i32.const 16))
         (func (export \"freehold:metric/metric@1.0.0#statistics\") (param i64 i32 i32 i32) (result i32) (i32.const 256))
         (func (export \"freehold:metric/metric@1.0.0#values\") (param i32 i32) (result i32) (i32.const 256)))"
    );
    let parsed = |text: &str| wat::parse_str(text).unwrap();
    let nested = "(component".repeat(20) + &")".repeat(20);
    vec![
        ("transform.wasm", component("transform", &guest("echo"))),
        ("policy.wasm", component("policy", &policy)),
        ("metric.wasm", component("metric", &metric)),
        ("empty.wasm", parsed("(component)")),
        ("module.wasm", parsed("(module)")),
        ("clock.wasm", parsed("(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance)))")),
        ("two-imports.wasm", {
            parsed(
                "(component (import \"freehold:platform/platform@1.0.0\" (instance (export \"settings\" (func (result string)))))
                   (import \"freehold:platform/platform@1.0.1\" (instance)) (import \"f\" (func)))",
            )
        }),
        ("memories.wasm", {
            parsed(
                "(component (core module $m (memory 1) (table 9 funcref)) (core instance (instantiate $m)) (core instance (instantiate $m)))",
            )
        }),
        ("nested.wasm", parsed(&nested)),
    ]
}

/// Tables of this project's writers, and those that another wrote.
fn tables() -> Vec<Seed> {
    let say = |names: [&str; 2], who: &str| serde_json::json!({ names[0]: who, names[1]: "hi" });
    let shared = [say(["from", "value"], "human"), say(["from", "value"], "gpt")];
    let messages = [say(["role", "content"], "user"), say(["role", "content"], "tool")];
    let rows = [
        ("messages", serde_json::json!({ "id": 1, "messages": messages, "ok": true, "x": 0.5, "n": null })),
        ("sharegpt", serde_json::json!({ "conversations": shared, "system": "s" })),
        ("alpaca", serde_json::json!({ "instruction": "a", "output": "b", "input": "", "history": [["q", "r"]] })),
    ];
    let mut seeds = Vec::new();
    for (name, row) in rows {
        for (kind, target) in [("parquet", "parquet"), ("arrow", "arrow"), ("arrow-stream", "arrow")] {
            let rows = vec![row.clone(); 9];
            seeds.push((target, format!("{name}.{kind}"), freehold_tests::table(kind, &rows)));
        }
    }
    for file in ["codecs.parquet", "version-2.parquet", "zstd.arrow", "lz4.arrows"] {
        let bytes = std::fs::read(workspace().join("tests/fixtures/tables").join(file)).unwrap();
        seeds.push((if file.ends_with("parquet") { "parquet" } else { "arrow" }, file.into(), bytes));
    }
    seeds
}
