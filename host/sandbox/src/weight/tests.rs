use super::*;

fn checked(text: &str) -> Result<(), Refusal> {
    check(&wat::parse_str(text).unwrap())
}

/// A component with one module of these fields.
fn module(fields: &str) -> Result<(), Refusal> {
    checked(&format!("(component (core module {fields}))"))
}

fn heavy(heavy: Heavy) -> Result<(), Refusal> {
    Err(Refusal::TooHeavy(heavy))
}

/// `count` loops, one in the other, in a function of `locals` locals.
fn loops(locals: usize, count: usize) -> String {
    let (locals, open, close) = ("i32 ".repeat(locals), "loop ".repeat(count), "end ".repeat(count));
    format!("(func (local {locals}) {open} br 0 {close})")
}

#[test]
fn honest_code_is_far_below() {
    let body = "(local i32 i32) (block $out (loop $l (br_if $out (local.get 0)) (local.set 1 (i32.const 3)) (br $l)))";
    assert_eq!(module(&format!("(func {body})").repeat(1_000)), Ok(()));
    assert_eq!(checked("(component)"), Ok(()));
}

#[test]
fn locals_times_blocks_are_bounded() {
    assert_eq!(module(&loops(200, 500)), Ok(()));
    assert_eq!(module(&loops(2_000, 500)), heavy(Heavy::Alive { function: true }));
    // Loops without locals are dear as well, each within all others.
    assert_eq!(module(&loops(0, 400)), Ok(()));
    assert_eq!(module(&loops(0, 5_000)), heavy(Heavy::Alive { function: true }));
    let beside = format!("(func (local {}) {})", "i32 ".repeat(20), "block end ".repeat(10_000));
    assert_eq!(module(&beside.repeat(50)), Ok(()));
    assert_eq!(module(&beside.repeat(60)), heavy(Heavy::Alive { function: false }));
    assert_eq!(module(&loops(4_000, 20).repeat(10)), heavy(Heavy::AliveSquared));
    // What lies on the stack of operands is as alive as a local.
    let (push, drop) = ("i32.const 1 ".repeat(2_000), "drop ".repeat(2_000));
    let blocks = "block end ".repeat(300);
    assert_eq!(module(&format!("(func {push} {blocks} {drop})")), heavy(Heavy::Alive { function: true }));
    assert_eq!(module(&format!("(func {push} {drop} {blocks})")), Ok(()));
}

#[test]
fn values_that_are_moved_are_bounded() {
    let wide = "i32 ".repeat(500);
    let (push, drop) = ("i32.const 1 ".repeat(500), "drop ".repeat(500));
    let callers = |count: usize, functions: usize| {
        let calls = "call $f ".repeat(count);
        let callers = format!("(func {push} {calls} {drop})").repeat(functions);
        format!("(func $f (param {wide}) (result {wide}) unreachable) {callers}")
    };
    assert_eq!(module(&callers(20, 1)), Ok(()));
    assert_eq!(module(&callers(40, 1)), heavy(Heavy::Values { function: true }));
    assert_eq!(module(&callers(30, 60)), Ok(()));
    assert_eq!(module(&callers(30, 70)), heavy(Heavy::Values { function: false }));
    let branch = |count: usize| {
        let branches = "i32.const 1 br_if 0 ".repeat(count);
        format!("(func block (result {wide}) {push} {branches} end {drop})")
    };
    assert_eq!(module(&branch(20)), Ok(()));
    assert_eq!(module(&branch(40)), heavy(Heavy::Values { function: true }));
    let table = |count: usize| {
        let targets = "0 ".repeat(count);
        format!("(func block (result {wide}) {push} i32.const 1 br_table {targets} end {drop})")
    };
    assert_eq!(module(&table(40)), Ok(()));
    assert_eq!(module(&table(100)), heavy(Heavy::Values { function: true }));
    assert_eq!(module(&format!("(func {})", "nop ".repeat(250_001))), heavy(Heavy::Values { function: true }));
}

#[test]
fn functions_types_and_entries_are_bounded() {
    assert_eq!(module(&"(func)".repeat(60_000)), Ok(()));
    assert_eq!(module(&"(func)".repeat(60_001)), heavy(Heavy::Functions));
    let types = |count: usize| format!("(type (func (param {})))", "i32 ".repeat(99)).repeat(count);
    assert_eq!(module(&types(500)), Ok(()));
    assert_eq!(module(&types(501)), heavy(Heavy::Types));
    assert_eq!(module(&"(global i32 (i32.const 0))".repeat(50_001)), heavy(Heavy::Entries));
    let exports: String = (0..50_001).map(|n| format!("(export \"{n}\" (func 0))")).collect();
    assert_eq!(module(&format!("(func) {exports}")), heavy(Heavy::Entries));
}

#[test]
fn what_comes_of_instantiating_is_counted_not_what_is_written() {
    // Each component instantiates the one before twice.
    let doubling = |count: usize| {
        let doubled = |n: usize| {
            format!(
                "(component $c{n} (alias outer 1 {} (component $b)) (instance (instantiate $b)) (instance (instantiate $b)))",
                n - 1
            )
        };
        let components: String = (1..count).map(doubled).collect();
        format!("(component (component $c0) {components} (instance (instantiate $c{})))", count - 1)
    };
    assert_eq!(checked(&doubling(10)), Ok(()));
    assert_eq!(checked(&doubling(40)), heavy(Heavy::Definitions));
    assert_eq!(checked(&doubling(200)), heavy(Heavy::Definitions));
    // One in the other instead of one beside the other.
    let nested = (0..14).fold("(component $c)".to_owned(), |inner, _| {
        format!("(component $c {inner} (instance (instantiate $c)) (instance (instantiate $c)))")
    });
    assert_eq!(checked(&format!("(component {nested} (instance (instantiate $c)))")), heavy(Heavy::Definitions));
    // A component that is handed in may be any.
    let handed = "(component (component $f (import \"c\" (component $c)) (instance (instantiate $c))))";
    assert!(matches!(checked(handed), Err(Refusal::Malformed(problem)) if problem.contains("does not define")));
    assert_eq!(checked("(component (import \"c\" (component)))"), Ok(()));
}

#[test]
fn functions_that_are_lowered_are_bounded() {
    let lowered = |count: usize| {
        let lower = "(core func (canon lower (func $f)))".repeat(count);
        checked(&format!(
            "(component (core module $m (func (export \"f\"))) (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i \"f\"))) {lower})"
        ))
    };
    assert_eq!(lowered(90), Ok(()));
    assert_eq!(lowered(100), heavy(Heavy::Definitions));
}

#[test]
fn the_numbers_of_components_are_those_of_the_format() {
    // Whatever adds a component adds one number: the one that is instantiated is the dear one, and is found.
    let dear = "(component $dear (core module $m) ".to_owned() + &"(core instance (instantiate $m))".repeat(30) + ")";
    let cheap = "(component $cheap)";
    for rest in [
        "(instance (instantiate $dear))",
        "(export $e \"e\" (component $dear)) (instance (instantiate $e))",
        "(component $x (alias outer 1 $dear (component $d)) (instance (instantiate $d))) (instance (instantiate $x))",
        "(export $e \"e\" (component $cheap)) (instance (instantiate $dear))",
    ] {
        let many = format!("(component $many {dear} {cheap} {rest})");
        let text = format!("(component {many} {})", "(instance (instantiate $many))".repeat(700));
        assert_eq!(checked(&text), heavy(Heavy::Definitions), "{rest}");
    }
}

#[test]
fn types_nest_as_deep_as_is_allowed_and_no_deeper() {
    // As bytes: no tool writes them.
    let nested = |depth: usize| {
        let ty = [[0x42, 0x01, 0x01].repeat(depth), vec![0x42, 0x00]].concat();
        let length = ty.len() + 1;
        let length = [length as u8 & 0x7f | 0x80, (length >> 7) as u8 & 0x7f | 0x80, (length >> 14) as u8];
        [&b"\0asm\x0d\0\x01\0\x07"[..], &length, &[1], &ty].concat()
    };
    // With less stack than any thread of a host has.
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let checked = small.spawn(move || [16, 17, 90, 4_000, 100_000].map(|depth| check(&nested(depth))));
    let [deep, deeper, much, bomb, huge] = checked.unwrap().join().unwrap();
    assert_eq!(deep, Ok(()));
    assert_eq!(deeper, heavy(Heavy::Nesting));
    assert_eq!(much, heavy(Heavy::Nesting));
    for refused in [bomb, huge] {
        assert!(matches!(&refused, Err(Refusal::Malformed(problem)) if problem.contains("too deep")), "{refused:?}");
    }
}
