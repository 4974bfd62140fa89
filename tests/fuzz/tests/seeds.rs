//! The chore that writes the seeds still makes components of its modules, whatever version the contract has now.

#[path = "../examples/seeds.rs"]
#[allow(dead_code, reason = "what writes files is the chore's alone")]
mod chore;

use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn modules_become_components_of_the_contract_as_it_is() {
    let components: BTreeMap<_, _> = chore::components().into_iter().collect();
    for name in ["transform.wasm", "policy.wasm", "metric.wasm"] {
        // The preamble of a component, and not of a module.
        assert_eq!(components[name][..8], *b"\0asm\x0d\0\x01\0", "{name}");
    }
}

#[test]
fn every_program_hands_its_input_to_its_target() {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    for target in freehold_fuzz::TARGETS {
        let text = std::fs::read_to_string(programs.join(format!("{}.rs", target.name))).unwrap();
        let call = format!("libfuzzer_sys::fuzz_target!(|data: &[u8]| freehold_fuzz::{}(data));", target.name);
        assert_eq!(text, format!("#![no_main]\n\n{call}\n"));
    }
}
