//! Attacks over several calls, and by what a plugin asks of the host while it runs.

use freehold_core::limits::{LimitKind, Limits, Metering, Used};
use freehold_core::manifest::World;
use freehold_sandbox::{Grants, SandboxError};

use crate::guest::{RESULT, TEXT, component, data, text, transform};
use crate::host::{Host, batch, defend, limits};
use crate::transforms::{NOTHING, Returned, attack, dropping, nothing, run_calls, run_in_both_meterings};

/// A transform whose second call does something else than its first: `first` and `second` are the bodies of the two.
fn two_calls(first: &str, second: &str) -> String {
    let rest = format!("{} {} (global $calls (mut i32) (i32.const 0))", nothing(RESULT), nothing(512));
    let process = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (result i32) (i32.eq (global.get $calls) (i32.const 1)) (then {first}) (else {second}))"
    );
    transform(false, &process, "(i32.const 512)", &rest)
}

#[test]
fn what_was_borne_with_in_one_call_does_not_name_the_next() {
    let grows = "(drop (memory.grow (i32.const 60000))) (i32.const 256)";
    let panics = "(call $panicked (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)) (i32.const 256)";
    let errs = "(i32.store (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1032) (i32.const 1040))
                (i32.store (i32.const 1036) (i32.const 2)) (i32.store (i32.const 1040) (i32.const 0x6f6e)) (i32.const 1024)";
    let attacks = vec![
        attack("is refused memory, then traps", two_calls(grows, "(unreachable)"), "trapped", "unreachable"),
        attack("is refused memory, then errs", two_calls(grows, errs), "error", "no"),
        attack("says that it panics, then traps", two_calls(panics, "(unreachable)"), "trapped", "unreachable"),
        attack(
            "traps for want of memory",
            two_calls("(i32.const 256)", &format!("{grows} (unreachable)")),
            "out-of-memory",
            "",
        ),
    ];
    run_calls(attacks.clone(), limits(), 2);
    run_calls(attacks, Limits { metering: Metering::Time, ..limits() }, 2);
}

#[test]
fn transforms_that_are_bombs_in_both_meterings() {
    let rest = format!("{} {} (table $t 1 funcref)", nothing(RESULT), nothing(512));
    let process = |body: &str| transform(false, body, "(i32.const 512)", &rest);
    let table =
        "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 64)) (i32.const -1)))) (unreachable)";
    let log = "(loop $l (call $log (i32.const 1) (i32.const 1024) (i32.const 1000)) (br $l)) (unreachable)";
    let panics =
        "(loop $l (call $panicked (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 9)) (br $l)) (unreachable)";
    let asks = "(call $asset (i32.const 0) (i32.const 300) (i32.const 2048)) (unreachable)";
    let line = |bytes: u32| format!("(call $log (i32.const 1) (i32.const 65536) (i32.const {bytes})) (unreachable)");
    let large = |module: String| module.replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 60)");
    run_in_both_meterings(vec![
        attack("table bomb", process(table), "table-limit", "1000 elements of tables"),
        attack("floods the log", process(log), "log-limit", "logged more than 4096 bytes"),
        attack("a log line longer than all that may be logged", process(&line(5_000)), "log-limit", "more than 4096"),
        attack(
            "a log line longer than what may be returned",
            large(process(&line(2 << 20))),
            "log-limit",
            "more than 4096",
        ),
        attack("says for ever that it panics", process(panics), "log-limit", "logged more than 4096 bytes"),
        attack("asks for an asset by a name that is none", process(asks), "trapped", "a name of 300 bytes"),
        attack(
            "asks for an asset by a megabyte, for ever",
            large(process(
                "(loop $l (call $asset (i32.const 0) (i32.const 1000000) (i32.const 2048)) (br $l)) (unreachable)",
            )),
            "trapped",
            "a name of 1000000 bytes",
        ),
    ]);
}

#[test]
fn what_is_returned_is_counted_with_all_that_it_holds() {
    let module = dropping(&[0, 1, 2], &[(TEXT, 9)], &text(TEXT, "too-short"));
    let ask = |output_bytes: u64| {
        let limits = Limits { output_bytes, ..limits() };
        let plugin = crate::host::host().load(World::Transform, limits, &component(World::Transform, &module)).unwrap();
        let mut running = plugin.transform(Grants::default()).unwrap();
        running.describe().unwrap();
        running.process(&batch(0)).map(|_| running.usage().get(LimitKind::OutputBytes).unwrap())
    };
    // Three rows, each of a number and a text, and what the texts hold.
    let bytes = 3 * (8 + 24) + 3 * 9;
    assert_eq!(ask(bytes).unwrap(), Used { used: bytes, limit: bytes });
    assert_eq!(ask(bytes - 1).unwrap_err().code(), "output-limit");
}

#[test]
fn a_line_that_may_be_logged_may_be_longer_than_what_may_be_returned() {
    let body = "(call $log (i32.const 1) (i32.const 0) (i32.const 3000)) (i32.const 256)";
    let module = transform(false, body, "(i32.const 512)", &format!("{} {}", nothing(RESULT), nothing(512)));
    let limits = Limits { output_bytes: 1_000, ..limits() };
    let plugin = crate::host::host().load(World::Transform, limits, &component(World::Transform, &module)).unwrap();
    let mut running = plugin.transform(Grants::default()).unwrap();
    running.process(&batch(0)).unwrap();
    assert_eq!(running.usage().get(LimitKind::LogBytes).unwrap().used, 3_001);
}

#[test]
fn what_the_host_does_for_a_plugin_costs_fuel() {
    let used = |calls: u32, bytes: u32| {
        let body = format!(
            "(local $n i32) (local.set $n (i32.const {calls}))
             (loop $l (call $log (i32.const 1) (i32.const 1024) (i32.const {bytes}))
               (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
             (i32.const 256)"
        );
        let module = transform(false, &body, "(i32.const 512)", &format!("{} {}", nothing(RESULT), nothing(512)));
        let plugin =
            crate::host::host().load(World::Transform, limits(), &component(World::Transform, &module)).unwrap();
        let mut running = plugin.transform(Grants::default()).unwrap();
        running.process(&batch(0)).unwrap();
        running.usage().get(LimitKind::Fuel).unwrap().used
    };
    assert_eq!(used(2, 100) - used(2, 0), 200);
    let call = used(3, 0) - used(2, 0);
    assert!((500..600).contains(&call), "{call}");
    assert_eq!(used(100, 10), used(100, 10));
}

/// Says that it treats each row for itself, and drops every row: for `first` bytes of a reason, after its first call for `later`.
fn dropping_by_mood(first: u32, later: u32) -> String {
    let drop = |at: u32| {
        format!(
            "(i64.store (i32.const {}) (i64.add (local.get $first) (i64.const {at})))
             (i32.store (i32.const {}) (i32.const {TEXT})) (i32.store (i32.const {}) (global.get $length))",
            4096 + 16 * at,
            4104 + 16 * at,
            4108 + 16 * at
        )
    };
    let process =
        format!("{} {} {} (global.set $length (i32.const {later})) (i32.const {RESULT})", drop(0), drop(1), drop(2));
    let outcome = Returned { dropped: (4096, 3), ..NOTHING }.words();
    let rest = format!(
        "{} {} {} (global $length (mut i32) (i32.const {first}))",
        data(RESULT, &outcome),
        nothing(512),
        text(TEXT, "too-short")
    );
    transform(true, &process, "(i32.const 512)", &rest)
}

#[test]
fn rows_that_are_said_to_be_independent_and_are_not() {
    let timed = Limits { metering: Metering::Time, ..limits() };
    let all = |host: &Host, module: &str, threads: usize| {
        let plugin = host.load(World::Transform, timed, &component(World::Transform, module))?;
        let batches: Vec<_> = (0..7).map(|at| batch(3 * at)).collect();
        let mut outcomes = Vec::new();
        plugin.transform_all(
            &Grants::default(),
            threads,
            batches.iter().cloned().map(Ok::<_, SandboxError>),
            |outcome| {
                outcomes.push(outcome);
                Ok(())
            },
        )?;
        Ok(outcomes)
    };
    for threads in [1, 2, 3] {
        let lies =
            attack("treats the first rows otherwise", dropping_by_mood(9, 3), "row-dependence", "each row for itself");
        defend(vec![lies], |host, attack| all(host, &attack.module, threads).map(drop));
    }
    let honest = |threads| all(crate::host::host(), &dropping_by_mood(9, 9), threads).unwrap();
    assert_eq!(honest(1).len(), 8);
    // One `finish` more for each thread more; what it gives is nothing.
    assert_eq!(honest(1)[..7], honest(3)[..7]);
}
