//! Attacks of policies: running away, bombs, and lies in what is returned.

use freehold_core::limits::Limits;
use freehold_core::manifest::World;
use freehold_sandbox::Grants;

use crate::guest::{TEXT, component, data, policy, text, verdict};
use crate::host::{Attack, defend, evidence, limits};

fn attack(name: &'static str, module: String, code: &'static str, says: &'static str) -> Attack {
    Attack { name, module, code, says }
}

fn ask_with(attacks: Vec<Attack>, limits: Limits) {
    defend(attacks, |host, attack| {
        let plugin = host.load(World::Policy, limits, &component(World::Policy, &attack.module))?;
        let (verdict, usage) = plugin.policy()?.check(Grants::default(), &evidence());
        // What was used is told with or without a verdict, and is never more than was allowed.
        for (kind, used) in
            usage.iter().filter(|(kind, _)| !["log_bytes", "input_bytes", "wall_time_ms"].contains(&kind.key()))
        {
            assert!(used.used <= used.limit, "{}: {kind} {used:?}", attack.name);
        }
        verdict.map(drop)
    });
}

#[test]
fn policies_that_run_away() {
    let call_forever = "(loop $again (call $settings (i32.const 512)) (br $again)) (unreachable)";
    let log = |length: &str| {
        format!(
            "(loop $again (call $log (i32.const 1) (i32.const 1024) (i32.const {length})) (br $again)) (unreachable)"
        )
    };
    ask_with(
        vec![
            attack("spins for ever", policy("(loop $l (br $l)) (unreachable)", ""), "out-of-fuel", "fuel (5000000)"),
            attack(
                "spins in start-up",
                policy("(unreachable)", "(func $start (loop $l (br $l))) (start $start)"),
                "out-of-fuel",
                "fuel",
            ),
            attack(
                "traps in start-up",
                policy("(unreachable)", "(func $start unreachable) (start $start)"),
                "trapped",
                "unreachable",
            ),
            attack(
                "recurses without end",
                policy("(call $f)", "(func $f (result i32) (i32.add (call $f) (i32.const 1)))"),
                "stack-limit",
                "bytes of stack",
            ),
            attack("asks for its settings for ever", policy(call_forever, ""), "out-of-fuel", "fuel"),
            attack(
                "asks for its typed settings for ever",
                policy(&call_forever.replace("$settings", "$typed_settings"), ""),
                "out-of-fuel",
                "fuel",
            ),
            attack(
                "asks for an asset for ever",
                policy(
                    "(loop $l (call $asset (i32.const 1024) (i32.const 4) (i32.const 512)) (br $l)) (unreachable)",
                    &text(TEXT, "name"),
                ),
                "out-of-fuel",
                "fuel",
            ),
            attack("floods the log", policy(&log("1000"), ""), "log-limit", "logged more than 4096 bytes"),
            attack("floods the log with empty lines", policy(&log("0"), ""), "log-limit", "logged more than"),
            attack("logs more than there is", policy(&log("-1"), ""), "trapped", ""),
            attack(
                "logs from beyond its memory",
                policy("(call $log (i32.const 1) (i32.const -16) (i32.const 8)) (unreachable)", ""),
                "trapped",
                "",
            ),
            attack(
                "logs at a level that there is not",
                policy("(call $log (i32.const 77) (i32.const 0) (i32.const 1)) (unreachable)", ""),
                "trapped",
                "",
            ),
        ],
        limits(),
    );
}

/// Each asks again and again for settings of some size, in one of two ways.
#[test]
fn policies_that_want_more_settings_than_they_may_be_handed() {
    let settings = format!("texts = [{}]", "'0123456789', ".repeat(1_000)).parse().unwrap();
    let grants = Grants::new(settings, [].into());
    for ask in ["$settings", "$typed_settings"] {
        let module = policy(&format!("(loop $again (call {ask} (i32.const 512)) (br $again)) (unreachable)"), "");
        let limits = Limits { input_bytes: 60_000, ..limits() };
        defend(vec![attack(ask, module, "input-limit", "more than 60000 bytes in a call")], |host, attack| {
            let plugin = host.load(World::Policy, limits, &component(World::Policy, &attack.module))?;
            plugin.policy()?.check(grants.clone(), &evidence()).0.map(drop)
        });
    }
}

#[test]
fn a_reason_shows_as_it_is() {
    // As long as it may be, and turned around.
    let reason = format!("\\e2\\80\\ae\\1b[2J{}", "r".repeat(5_000));
    let module =
        verdict(&[0, 0, TEXT, 2, 16_384, 5_007, 0, 0], &format!("{} {}", text(TEXT, "ok"), text(16_384, &reason)));
    let plugin = crate::host::host().load(World::Policy, limits(), &component(World::Policy, &module)).unwrap();
    let verdict = plugin.policy().unwrap().check(Grants::default(), &evidence()).0.unwrap();
    assert!(verdict.reason.starts_with("  [2Jrrr") && verdict.reason.len() == 2_000, "{}", verdict.reason);
}

#[test]
fn policies_that_outlast_the_clock() {
    let long = Limits { fuel: 900_000_000_000, wall_time_ms: 100, ..limits() };
    let spin = "(loop $l (br $l)) (unreachable)";
    ask_with(
        vec![
            attack("spins beyond its time", policy(spin, ""), "out-of-time", "longer than 100 ms"),
            attack(
                "spins in start-up beyond its time",
                policy("(unreachable)", "(func $start (loop $l (br $l))) (start $start)"),
                "out-of-time",
                "longer than 100 ms",
            ),
        ],
        long,
    );
}

#[test]
fn policies_that_are_bombs() {
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    let one = "(drop (memory.grow (i32.const 60000))) (unreachable)";
    let tables =
        "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 64)) (i32.const -1)))) (unreachable)";
    let many: String = (0..12).map(|n| format!("(table $t{n} 100 funcref)")).collect();
    let more: String = (0..20).map(|n| format!("(table $t{n} 1 funcref)")).collect();
    ask_with(
        vec![
            attack("memory bomb, step by step", policy(grow, ""), "out-of-memory", "4194304 bytes of memory"),
            attack("memory bomb, at once", policy(one, ""), "out-of-memory", "bytes of memory"),
            attack(
                "memory bomb, declared",
                policy("(unreachable)", "")
                    .replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 65536)"),
                "out-of-memory",
                "bytes of memory",
            ),
            attack("table bomb", policy(tables, "(table $t 1 funcref)"), "table-limit", "1000 elements of tables"),
            attack(
                "table bomb, declared",
                policy("(unreachable)", "(table $t 50000 funcref)"),
                "table-limit",
                "elements of tables",
            ),
            attack(
                "table bomb, beyond what any plugin gets",
                policy("(unreachable)", "(table $t 5000000 funcref)"),
                "table-limit",
                "elements of tables",
            ),
            attack("many tables", policy("(unreachable)", &many), "table-limit", "1000 elements of tables"),
            attack("more tables than any plugin gets", policy("(unreachable)", &more), "instantiate", "tables"),
            attack(
                "panics with a flood of text",
                policy(
                    "(call $panicked (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 65536)) (unreachable)",
                    "",
                ),
                "panicked",
                "panicked at",
            ),
        ],
        limits(),
    );
}

#[test]
fn policies_that_trap() {
    ask_with(
        vec![
            attack("unreachable", policy("(unreachable)", ""), "trapped", "unreachable"),
            attack(
                "divides by zero",
                policy("(i32.div_u (i32.const 1) (i32.const 0))", ""),
                "trapped",
                "divide by zero",
            ),
            attack("reads beyond its memory", policy("(i32.load (i32.const -4))", ""), "trapped", "out of bounds"),
            attack(
                "writes beyond its memory",
                policy("(i32.store (i32.const -4) (i32.const 1)) (i32.const 0)", ""),
                "trapped",
                "out of bounds",
            ),
            attack(
                "calls through an empty table",
                policy("(call_indirect (result i32) (i32.const 0))", "(table 1 funcref)"),
                "trapped",
                "uninitialized",
            ),
            attack(
                "calls a function of another type",
                policy(
                    "(call_indirect (result i32) (i32.const 0))",
                    "(table 1 funcref) (elem (i32.const 0) $other) (func $other (param i64))",
                ),
                "trapped",
                "type mismatch",
            ),
            attack(
                "makes an integer of what is none",
                policy("(i32.trunc_f64_s (f64.const nan))", ""),
                "trapped",
                "invalid conversion",
            ),
            attack(
                "allocates outside its memory for what it is handed",
                policy("(unreachable)", "").replace("(local.get $at))", "(i32.const -8))"),
                "trapped",
                "",
            ),
            attack(
                "allocates at an odd address",
                policy("(unreachable)", "").replace("(local.get $at))", "(i32.const 65537))"),
                "trapped",
                "",
            ),
            attack(
                "traps when it is handed something",
                policy("(unreachable)", "").replace("(local.get $at))", "(unreachable))"),
                "trapped",
                "unreachable",
            ),
            attack(
                "calls the host while it is handed something",
                policy("(unreachable)", "").replace(
                    "(local.get $at))",
                    "(call $log (i32.const 0) (i32.const 0) (i32.const 0)) (local.get $at))",
                ),
                "trapped",
                "",
            ),
        ],
        limits(),
    );
}

#[test]
fn policies_that_lie_in_their_verdict() {
    // Entries of no text: eight bytes each in the guest, a text of its own each in the host.
    let empty_texts = verdict(&[0, 0, TEXT, 2, TEXT, 2, 131_072, 300_000], "")
        .replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 40)");
    ask_with(
        vec![
            attack("returns an address beyond its memory", policy("(i32.const -64)", ""), "trapped", ""),
            attack("returns an odd address", policy("(i32.const 257)", ""), "trapped", ""),
            attack("a result that is neither", verdict(&[9, 0, TEXT, 2, TEXT, 2, 0, 0], ""), "trapped", ""),
            attack("an outcome that there is not", verdict(&[0, 7, TEXT, 2, TEXT, 2, 0, 0], ""), "trapped", ""),
            attack("a reason beyond its memory", verdict(&[0, 0, TEXT, 2, u32::MAX - 8, 64, 0, 0], ""), "trapped", ""),
            attack(
                "a reason longer than its memory",
                verdict(&[0, 0, TEXT, 2, TEXT, u32::MAX, 0, 0], ""),
                "trapped",
                "",
            ),
            attack(
                "a reason that is no UTF-8",
                verdict(&[0, 0, TEXT, 2, TEXT + 8, 2, 0, 0], &text(TEXT + 8, "\\ff\\fe")),
                "trapped",
                "utf-8",
            ),
            attack(
                "a surrogate in UTF-8",
                verdict(&[0, 0, TEXT, 2, TEXT + 8, 3, 0, 0], &text(TEXT + 8, "\\ed\\a0\\80")),
                "trapped",
                "utf-8",
            ),
            attack("a list beyond its memory", verdict(&[0, 0, TEXT, 2, TEXT, 2, u32::MAX - 7, 8], ""), "trapped", ""),
            attack("a list of an odd address", verdict(&[0, 0, TEXT, 2, TEXT, 2, TEXT + 1, 1], ""), "trapped", ""),
            attack("a list whose length overflows", verdict(&[0, 0, TEXT, 2, TEXT, 2, 0, u32::MAX], ""), "trapped", ""),
            attack(
                "a small memory that lists a text of many megabytes",
                {
                    // Every entry names the same 60,000 bytes.
                    let entries: Vec<u32> = (0..1_000).flat_map(|_| [70_000, 60_000]).collect();
                    verdict(&[0, 0, TEXT, 2, TEXT, 2, 4096, 1_000], &data(4096, &entries))
                },
                "output-limit",
                "returned more than 1048576 bytes",
            ),
            attack("a list of very many empty texts", empty_texts, "output-limit", "returned more than"),
            attack(
                "an error that is a screen of escape codes",
                verdict(&[1, TEXT, 8], &text(TEXT, "\\1b[2J\\1b[H\\07")),
                "error",
                "[2J",
            ),
            attack(
                "an error that is turned around",
                verdict(&[1, TEXT, 12], &text(TEXT, "\\e2\\80\\aewolla\\e2\\80\\ac ")),
                "error",
                " wolla ",
            ),
        ],
        limits(),
    );
}
