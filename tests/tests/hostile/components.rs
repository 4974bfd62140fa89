//! Attacks by what is offered as a component.

use freehold_core::limits::{LimitKind, Limits, Metering};
use freehold_core::manifest::World;
use freehold_sandbox::{Bound, SandboxError};

use crate::guest::{component, policy};
use crate::host::{Attack, defend, good_policy, limits};

/// Loads bytes as a policy. `text` is a component in text, or what `bytes` makes of it.
fn offer(attacks: Vec<(Attack, Vec<u8>)>, limits: Limits) {
    for (attack, bytes) in attacks {
        defend(vec![attack], |host, _| {
            let plugin = host.load(World::Policy, limits, &bytes)?;
            plugin.policy()?.check(freehold_sandbox::Grants::default(), &crate::host::evidence()).0.map(drop)
        });
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
            (named("many instances", "instance-limit", "more than 8 core instances"), with_instances(100)),
            (named("some instances too many", "instance-limit", "more than 8 core instances"), with_instances(20)),
        ],
        limits(),
    );
}

/// What every component begins with.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// A number in LEB128.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    [&[id], leb(contents.len()).as_slice(), contents].concat()
}

/// A policy that could be started, with instances of an empty module behind it.
fn with_instances(count: usize) -> Vec<u8> {
    let good = good();
    let (mut rest, mut modules) = (&good[HEADER.len()..], 0);
    while let [id, tail @ ..] = rest {
        modules += usize::from(*id == 1);
        let length = tail.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        let bytes = tail[..length].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
        rest = &tail[length + bytes..];
    }
    let module = section(1, b"\0asm\x01\0\0\0");
    let instance = [&[0], leb(modules).as_slice(), &[0]].concat();
    let instances = section(2, &[leb(count), instance.repeat(count)].concat());
    [good, module, instances].concat()
}

/// Types in types, the innermost empty.
fn nested_types(depth: usize) -> Vec<u8> {
    [HEADER, &section(7, &[&[1], [0x42, 1, 1].repeat(depth).as_slice(), &[0x42, 0]].concat())].concat()
}

/// Components of which each instantiates the one before twice.
fn doubling(count: usize) -> Vec<u8> {
    let twice = "(instance (instantiate $b))".repeat(2);
    let doubled = |n: usize| format!("(component $c{n} (alias outer 1 {} (component $b)) {twice})", n - 1);
    let components: String = (1..count).map(doubled).collect();
    parsed(&format!("(component (component $c0) {components} (instance (instantiate $c{})))", count - 1))
}

#[test]
fn components_that_are_small_and_take_for_ever_to_compile() {
    let module = |fields: &str| parsed(&format!("(component (core module {fields}))"));
    let loops = |locals: usize, count: usize| {
        let used: String =
            (0..locals).map(|n| format!("(local.set {n} (i32.add (local.get {n}) (i32.const 1)))")).collect();
        let (locals, open, close) = ("i32 ".repeat(locals), "loop ".repeat(count), "end ".repeat(count));
        module(&format!("(func (local {locals}) {open} {used} local.get 0 br_if 0 {close})"))
    };
    let segments = "(elem func 0)".repeat(90_000);
    let types: String = (0..20_000)
        .map(|n: u32| {
            let bits = (0..16).map(|bit| if n >> bit & 1 == 1 { "i32 " } else { "i64 " });
            format!("(type (func (param {})))", bits.collect::<String>())
        })
        .collect();
    offer(
        vec![
            (named("types in types", "too-heavy", "nests types more than 16 deep"), nested_types(60)),
            (named("types in types beyond any stack", "not-a-component", "too deep"), nested_types(4_000)),
            (named("types in types in megabytes", "not-a-component", "too deep"), nested_types(300_000)),
            (named("loops around locals", "too-heavy", "locals times blocks"), loops(4_000, 1_000)),
            (named("loops in loops", "too-heavy", "locals times blocks"), loops(1, 100_000)),
            (named("instances that double", "too-heavy", "definitions"), doubling(40)),
            (named("very many functions", "too-heavy", "functions"), module(&"(func)".repeat(200_000))),
            (named("very many types", "too-heavy", "parameters and results"), module(&types)),
            (named("very many segments", "too-heavy", "segments"), module(&format!("(func) {segments}"))),
        ],
        limits(),
    );
}

/// Components in components, the innermost empty: as deep as fits into what may be offered.
fn nested(depth: usize) -> Vec<u8> {
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
fn a_limit_names_who_set_it() {
    let bound = |asked: u64, component: &[u8]| {
        let asked = Limits { instances: asked, ..limits() };
        let plugin = crate::host::host().load(World::Policy, asked, component);
        let error = plugin
            .and_then(|plugin| plugin.policy()?.check(freehold_sandbox::Grants::default(), &crate::host::evidence()).0);
        match error.unwrap_err() {
            SandboxError::Limit { kind: LimitKind::Instances, limit, bound, .. } => (limit, bound),
            error => panic!("{error}"),
        }
    };
    for count in [20, 100] {
        assert_eq!(bound(8, &with_instances(count)), (8, Bound::Manifest), "{count}");
    }
    assert_eq!(bound(1_000, &with_instances(100)), (64, Bound::Host));
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
