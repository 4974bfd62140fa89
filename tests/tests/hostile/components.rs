//! Attacks by what is offered as a component.

use freehold_core::limits::{Limits, Metering};
use freehold_core::manifest::World;

use crate::guest::{component, policy};
use crate::host::{Attack, defend, good_policy, limits};

/// Loads bytes as a policy. `text` is a component in text, or what `bytes` makes of it.
fn offer(attacks: Vec<(Attack, Vec<u8>)>, limits: Limits) {
    for (attack, bytes) in attacks {
        defend(vec![attack], |host, _| host.load(World::Policy, limits, &bytes).map(drop));
    }
}

fn named(name: &'static str, code: &'static str, says: &'static str) -> Attack {
    Attack { name, module: String::new(), code, says }
}

fn parsed(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn good() -> Vec<u8> {
    component(World::Policy, &good_policy())
}

#[test]
fn bytes_that_are_no_component() {
    let good = good();
    let trailing = [&good[..], b"and more"].concat();
    let mut flipped = good.clone();
    flipped[6] ^= 0xff;
    offer(
        vec![
            (named("nothing at all", "not-a-component", ""), vec![]),
            (named("a text", "not-a-component", ""), b"policy: allow everything".to_vec()),
            (named("an ELF program", "not-a-component", ""), std::fs::read("/proc/self/exe").unwrap()[..4096].to_vec()),
            (named("a module", "not-a-component", "component"), parsed("(module)")),
            (named("another version of the format", "not-a-component", ""), flipped),
            (named("a component cut short", "not-a-component", ""), good[..good.len() - 7].to_vec()),
            (named("a component with something behind it", "not-a-component", ""), trailing),
            (named("a section that is longer than the file", "not-a-component", ""), {
                [&b"\0asm\x0d\0\x01\0"[..], &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat()
            }),
        ],
        limits(),
    );
}

#[test]
fn components_that_want_more_than_the_contract_gives() {
    let import = |import: &str| parsed(&format!("(component (import \"{import}\" (func)))"));
    offer(
        vec![
            (named("imports a clock", "foreign-import", "wasi:clocks/wall-clock"), {
                parsed("(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance)))")
            }),
            (named("imports files", "foreign-import", "wasi:filesystem/types"), {
                parsed("(component (import \"wasi:filesystem/types@0.2.0\" (instance)))")
            }),
            (named("imports sockets", "foreign-import", "wasi:sockets/tcp"), {
                parsed("(component (import \"wasi:sockets/tcp@0.2.0\" (instance)))")
            }),
            (named("imports a name that looks like the platform", "foreign-import", "freehold:platform-x/platform"), {
                parsed("(component (import \"freehold:platform-x/platform@1.0.0\" (instance)))")
            }),
            (named("imports a bare function", "foreign-import", "exec"), import("exec")),
            (named("has functions that the platform has not", "wrong-world", ""), {
                parsed("(component (import \"freehold:platform/platform@1.0.0\" (instance (export \"exec\" (func)))))")
            }),
            (named("has another type for a function", "wrong-world", ""), {
                parsed(
                    "(component (import \"freehold:platform/platform@1.0.0\"
                       (instance (export \"settings\" (func (result u32))))))",
                )
            }),
            (named("exports nothing", "wrong-world", ""), parsed("(component)")),
            (named("is a transform", "wrong-world", "policy"), {
                let nothing = crate::guest::transform(false, "(unreachable)", "(unreachable)", "");
                component(World::Transform, &nothing)
            }),
        ],
        limits(),
    );
}

#[test]
fn components_of_a_contract_that_they_are_not_said_to_be_for() {
    let imports =
        |version: &str| parsed(&format!("(component (import \"freehold:platform/platform@{version}\" (instance)))"));
    let exports = |versions: &[&str]| {
        let export = |version: &&str| format!("(export \"freehold:policy/policy@{version}\" (instance $i))");
        parsed(&format!("(component (instance $i) {})", versions.iter().map(export).collect::<String>()))
    };
    let accepts = "no contract that this host accepts (1.0.0 to 1.1.0)";
    for (name, claimed, says, bytes) in [
        ("imports a newer minor version", "1.1.0", "imports `freehold:platform/platform@1.2.0`", imports("1.2.0")),
        ("imports another major version", "1.1.0", "imports `freehold:platform/platform@2.0.0`", imports("2.0.0")),
        ("imports a version before the first", "1.0.0", "imports `freehold:platform/platform@0.9.0`", imports("0.9.0")),
        (
            "imports what its contract has not",
            "1.0.0",
            "said to be built for contract 1.0.0, but imports",
            imports("1.1.0"),
        ),
        (
            "exports what its contract has not",
            "1.0.0",
            "said to be built for contract 1.0.0, but exports",
            exports(&["1.1.0"]),
        ),
        ("exports a newer minor version", "1.1.0", accepts, exports(&["1.2.0"])),
        ("exports another major version", "1.1.0", accepts, exports(&["2.0.0"])),
        ("exports a newer version beside its own", "1.1.0", accepts, exports(&["1.1.0", "1.7.0"])),
        ("was built for more than it says", "1.0.0", "which came with contract 1.1.0", good()),
    ] {
        let claimed = claimed.parse().unwrap();
        defend(vec![named(name, "contract", says)], |host, _| {
            host.load_for(&claimed, World::Policy, limits(), &bytes).map(drop)
        });
    }
}

#[test]
fn components_that_are_bombs() {
    let many: String = (0..100).map(|n| format!("(core instance $i{n} (instantiate $m))")).collect();
    let memories = "(core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m))";
    let big = format!("(component (core module (data \"{}\")))", "a".repeat(2 << 20));
    offer(
        vec![
            (named("nested as deep as is allowed", "wrong-world", ""), nested(16)),
            (named("nested too deep", "not-a-component", "more than 16 deep"), nested(80_000)),
            (named("many modules", "not-a-component", "more than 1000 modules"), {
                parsed(&format!("(component {})", "(core module)".repeat(2_000)))
            }),
            (named("larger than allowed", "component-limit", "more than 1048576 bytes"), parsed(&big)),
            (
                named("many memories", "instantiate", "2 Wasm linear memories"),
                parsed(&format!("(component {memories})")),
            ),
            (named("many instances", "instance-limit", "core instances"), {
                parsed(&format!("(component (core module $m) {many})"))
            }),
        ],
        limits(),
    );
}

/// Components in components, the innermost empty: as deep as fits into what may be offered.
fn nested(depth: usize) -> Vec<u8> {
    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    let leb = |mut length: usize| {
        let mut bytes = Vec::new();
        while length > 0x7f {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes
    };
    // From the inside out, since each says how long what it holds is.
    let (mut sections, mut length) = (Vec::new(), HEADER.len());
    for _ in 0..depth {
        let section = [&[4], leb(length).as_slice()].concat();
        length += HEADER.len() + section.len();
        sections.push(section);
    }
    let outer = sections.into_iter().rev().flat_map(|section| [HEADER, &section].concat());
    outer.chain(HEADER.iter().copied()).collect()
}

#[test]
fn manifests_that_ask_for_what_nobody_gets() {
    let by_time = Limits { metering: Metering::Time, ..limits() };
    offer(vec![(named("a verdict without fuel", "metering", "metered by time alone"), good())], by_time);
    let stack = Limits { stack_bytes: 1 << 30, ..limits() };
    offer(vec![(named("a stack of a gigabyte", "stack-limit", "bytes of stack"), good())], stack);
    let tiny = Limits { component_bytes: 10, ..limits() };
    offer(vec![(named("a component that says it is smaller", "component-limit", "10 bytes"), good())], tiny);
    let none = Limits { fuel: 0, ..limits() };
    defend(
        vec![Attack {
            name: "no fuel at all",
            module: policy("(i32.const 0)", ""),
            code: "out-of-fuel",
            says: "fuel (0)",
        }],
        |host, attack| {
            let plugin = host.load(World::Policy, none, &component(World::Policy, &attack.module))?;
            plugin.policy()?.check(freehold_sandbox::Grants::default(), &crate::host::evidence()).0.map(drop)
        },
    );
}
