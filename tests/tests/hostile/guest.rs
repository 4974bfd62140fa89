//! Guests written as core modules, in text: what no compiler would write. `wit/` makes components of them.

use freehold_core::manifest::World;
use freehold_tests::workspace;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where guests put what they return; below lies their data, above what the host hands over.
pub(crate) const RESULT: u32 = 256;
/// Where text of guests begins.
pub(crate) const TEXT: u32 = 1024;

/// Words as they lie in memory, for a `data` segment.
pub(crate) fn words(words: &[u32]) -> String {
    words.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect()
}

/// A segment of words at an address.
pub(crate) fn data(at: u32, values: &[u32]) -> String {
    format!("(data (i32.const {at}) \"{}\")", words(values))
}

/// A segment of text at an address; `\hh` are bytes.
pub(crate) fn text(at: u32, text: &str) -> String {
    format!("(data (i32.const {at}) \"{text}\")")
}

/// Hands out memory from 64 KiB on, and never takes any back.
pub(crate) const REALLOC: &str = r#"
(global $next (mut i32) (i32.const 65536))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
  (global.set $next (i32.add (local.get $at) (local.get 3)))
  (if (i32.gt_u (global.get $next) (i32.mul (memory.size) (i32.const 65536)))
    (then (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536)))))))
  (local.get $at))
"#;

/// Imports that a guest may use.
pub(crate) const PLATFORM: &str = r#"
(import "freehold:platform/platform@1.1.0" "log" (func $log (param i32 i32 i32)))
(import "freehold:platform/platform@1.1.0" "panicked" (func $panicked (param i32 i32 i32 i32)))
(import "freehold:platform/platform@1.1.0" "settings" (func $settings (param i32)))
(import "freehold:platform/platform@1.1.0" "typed-settings" (func $typed_settings (param i32)))
(import "freehold:platform/platform@1.1.0" "asset" (func $asset (param i32 i32 i32)))
"#;

/// The module of a policy: `check` is the body of its one function, `rest` what else there is.
pub(crate) fn policy(check: &str, rest: &str) -> String {
    format!(
        "(module {PLATFORM} (memory (export \"memory\") 2) {REALLOC} {rest}
         (func (export \"freehold:policy/policy@1.1.0#check\") (param $evidence i32) (result i32) {check}))"
    )
}

/// A policy that returns these words as its result.
pub(crate) fn verdict(result: &[u32], rest: &str) -> String {
    policy(&format!("(i32.const {RESULT})"), &format!("{} {rest}", data(RESULT, result)))
}

/// The module of a transform whose `describe` says that rows are treated together or each for itself.
pub(crate) fn transform(independent: bool, process: &str, finish: &str, rest: &str) -> String {
    let description = data(16, &[0, 0, 0, 0, 0, u32::from(independent)]);
    format!(
        "(module {PLATFORM} (memory (export \"memory\") 2) {REALLOC} {description} {rest}
         (func (export \"freehold:transform/transform@1.1.0#describe\") (result i32) (i32.const 16))
         (func (export \"freehold:transform/transform@1.1.0#process\")
           (param $first i64) (param $rows i32) (param $columns i32) (param $count i32) (result i32) {process})
         (func (export \"freehold:transform/transform@1.1.0#finish\") (result i32) {finish}))"
    )
}

/// The module of a metric with one statistic a row.
pub(crate) fn metric(describe: &str, statistics: &str, values: &str, rest: &str) -> String {
    let description = [data(16, &[0, 48, 1, 1]), data(48, &[56, 1]), text(56, "s")].concat();
    format!(
        "(module {PLATFORM} (memory (export \"memory\") 2) {REALLOC} {description} {rest}
         (func (export \"freehold:metric/metric@1.1.0#describe\") (result i32) {describe})
         (func (export \"freehold:metric/metric@1.1.0#statistics\")
           (param i64 i32 i32 i32) (result i32) {statistics})
         (func (export \"freehold:metric/metric@1.1.0#values\") (param i32 i32) (result i32) {values}))"
    )
}

/// The component of a module for a world.
pub(crate) fn component(world: World, module: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}"));
    let mut resolve = Resolve::new();
    for package in ["types", "platform"] {
        resolve.push_path(workspace().join("wit").join(package)).unwrap();
    }
    let (package, _) = resolve.push_path(workspace().join("wit").join(world.to_string())).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}
