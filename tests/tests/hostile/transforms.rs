//! Attacks of transforms: rows that are lost, invented or counted twice, and columns that are not what they say.

use std::cell::Cell;

use freehold_core::batch::{Batch, Column, ColumnData};
use freehold_core::limits::{Limits, Metering};
use freehold_core::manifest::World;
use freehold_sandbox::{Grants, SandboxError, WAITING, WAITING_BYTES};

use crate::guest::{RESULT, TEXT, component, data, text, transform};
use crate::host::{Attack, batch, defend, limits};

/// `ok(outcome)` without rows, drops or counts, at an address.
pub(crate) fn nothing(at: u32) -> String {
    data(at, &[0; 14])
}

/// What `process` returns, as words: first row, number of rows, columns, origins, dropped rows, counts.
#[derive(Clone, Copy)]
pub(crate) struct Returned {
    pub(crate) rows: u32,
    pub(crate) columns: (u32, u32),
    pub(crate) origins: (u32, u32),
    pub(crate) dropped: (u32, u32),
    pub(crate) counts: (u32, u32),
}

pub(crate) const NOTHING: Returned =
    Returned { rows: 0, columns: (0, 0), origins: (0, 0), dropped: (0, 0), counts: (0, 0) };

impl Returned {
    pub(crate) fn words(self) -> Vec<u32> {
        let Self { rows, columns, origins, dropped, counts } = self;
        // The discriminant, padding, the first row in two words, the number of rows, the columns, padding, the other lists.
        let mut words = vec![0, 0, 0, 0, rows, columns.0, columns.1, 0];
        words.extend([origins, dropped, counts].into_iter().flat_map(|(at, length)| [at, length]));
        words
    }

    pub(crate) fn module(self, rest: &str) -> String {
        let rest = format!("{} {} {rest}", data(RESULT, &self.words()), nothing(512));
        transform(false, &format!("(i32.const {RESULT})"), "(i32.const 512)", &rest)
    }
}

/// One column named `text`, at 2048: kind, payload, validity.
fn column(kind: u32, payload: &[u32], validity: Option<(u32, u32)>) -> String {
    let mut words = vec![TEXT, 4, kind];
    words.extend(payload);
    words.resize(13, 0);
    let (at, length) = validity.unwrap_or_default();
    words.extend([u32::from(validity.is_some()), at, length]);
    format!("{} {}", data(2048, &words), text(TEXT, "text"))
}

/// Two rows of one column, from rows 0 and 1; row 2 is dropped, so that only the column can be wrong.
fn two_rows(column: &str, rest: &str) -> String {
    let origins = data(4096, &[0, 0, 1, 0]);
    let dropped = format!("{} {}", data(4200, &[2, 0, TEXT + 8, 1]), text(TEXT + 8, "x"));
    Returned { rows: 2, columns: (2048, 1), origins: (4096, 2), dropped: (4200, 1), ..NOTHING }
        .module(&format!("{column} {origins} {dropped} {rest}"))
}

pub(crate) fn attack(name: &'static str, module: String, code: &'static str, says: &'static str) -> Attack {
    Attack { name, module, code, says }
}

fn run(attacks: Vec<Attack>, limits: Limits) {
    run_calls(attacks, limits, 1);
}

/// Hands over rows so many times.
pub(crate) fn run_calls(attacks: Vec<Attack>, limits: Limits, calls: u64) {
    defend(attacks, |host, attack| {
        let plugin = host.load(World::Transform, limits, &component(World::Transform, &attack.module))?;
        let mut running = plugin.transform(Grants::default())?;
        running.describe()?;
        for call in 0..calls {
            running.process(&batch(3 * call))?;
        }
        running.finish().map(drop)
    });
}

/// Lies are lies, however the work is metered.
pub(crate) fn run_in_both_meterings(attacks: Vec<Attack>) {
    run(attacks.clone(), limits());
    run(attacks, Limits { metering: Metering::Time, ..limits() });
}

/// Rows 0, 1 and 2 are given. Origins and dropped rows are all that comes back; no column, so that no row does.
pub(crate) fn dropping(rows: &[u64], reasons: &[(u32, u32)], rest: &str) -> String {
    let words: Vec<u32> = rows
        .iter()
        .zip(reasons.iter().cycle())
        .flat_map(|(row, (at, length))| [*row as u32, (*row >> 32) as u32, *at, *length])
        .collect();
    let dropped = data(4096, &words);
    Returned { dropped: (4096, rows.len() as u32), ..NOTHING }
        .module(&format!("{dropped} {} {rest}", text(TEXT, "too-short")))
}

#[test]
fn rows_that_are_lost_invented_or_counted_twice() {
    let short = [(TEXT, 9)];
    let origins = |rows: &[u32], count: u32| {
        let words: Vec<u32> = rows.iter().flat_map(|row| [*row, 0]).collect();
        // A numbers column of as many rows.
        let column = column(2, &[8192, count], None);
        Returned { rows: count, columns: (2048, 1), origins: (4096, rows.len() as u32), ..NOTHING }
            .module(&format!("{} {column}", data(4096, &words)))
    };
    run_in_both_meterings(vec![
        attack("loses every row", NOTHING.module(""), "row-lineage", "row 0 neither came out nor was dropped"),
        attack("loses the last row", dropping(&[0, 1], &short, ""), "row-lineage", "row 2 neither"),
        attack("drops a row twice", dropping(&[0, 0, 1, 2], &short, ""), "row-lineage", "row 0 was dropped twice"),
        attack("drops a row that was never given", dropping(&[0, 1, 7], &short, ""), "row-lineage", "row 7"),
        attack("drops a row beyond all rows", dropping(&[u64::MAX], &short, ""), "row-lineage", "18446744073709551615"),
        attack("names an origin that was never given", origins(&[0, 1, 9], 3), "row-lineage", "row 9"),
        attack("returns rows without origins", origins(&[], 3), "row-lineage", "3 rows with 0 origins"),
        attack("returns origins without rows", origins(&[0, 1, 2], 2), "row-lineage", "2 rows with 3 origins"),
        attack("gives no reason", dropping(&[0, 1, 2], &[(TEXT, 0)], ""), "row-lineage", "not a short code"),
        attack(
            "gives an escape code for a reason",
            dropping(&[0, 1, 2], &[(TEXT + 16, 5)], &text(TEXT + 16, "\\1b[31m")),
            "row-lineage",
            "not a short code",
        ),
        attack(
            "gives a novel for a reason",
            dropping(&[0, 1, 2], &[(16384, 1000)], &text(16384, &"a".repeat(1000))),
            "row-lineage",
            "not a short code",
        ),
    ]);
}

#[test]
fn rows_that_are_said_to_be_independent_and_are_held_back() {
    let module = |process: u32, finish: u32, rest: &str| {
        let rest = format!("{} {} {rest}", nothing(RESULT), nothing(512));
        transform(true, &format!("(i32.const {process})"), &format!("(i32.const {finish})"), &rest)
    };
    run_in_both_meterings(vec![attack(
        "holds back what it says it treats row by row",
        module(RESULT, 512, ""),
        "row-lineage",
        "row 0 neither came out nor was dropped in its call",
    )]);
}

#[test]
fn columns_that_are_not_what_they_say() {
    let offsets = |values: &[u32]| data(6000, values);
    let texts = |values: &[u32], bytes: u32| {
        let column = column(0, &[6000, values.len() as u32, 8192, bytes], None);
        two_rows(&column, &format!("{} {}", offsets(values), text(8192, "a\\c3\\a9\\ff")))
    };
    let numbers = |bits: [u64; 2]| {
        let words: Vec<u32> = bits.iter().flat_map(|bits| [*bits as u32, (*bits >> 32) as u32]).collect();
        two_rows(&column(2, &[8192, 2], None), &data(8192, &words))
    };
    let one = 1.0_f64.to_bits();
    run_in_both_meterings(vec![
        attack("offsets that do not begin with 0", texts(&[1, 1, 1], 1), "malformed-batch", "begin with 0"),
        attack("offsets that go backwards", texts(&[0, 3, 1], 1), "malformed-batch", "go backwards"),
        attack("offsets beyond the text", texts(&[0, 1, u32::MAX], 1), "malformed-batch", "end at the length"),
        attack("text beyond the offsets", texts(&[0, 1, 1], 3), "malformed-batch", "end at the length"),
        attack("no offsets", texts(&[], 0), "malformed-batch", "begin with 0"),
        attack("fewer rows than it says", texts(&[0, 1], 1), "malformed-batch", "has 1 rows, its batch has 2"),
        attack("text that is no UTF-8", texts(&[0, 3, 4], 4), "malformed-batch", "UTF-8"),
        attack("a row that cuts a character", texts(&[0, 2, 3], 3), "malformed-batch", "UTF-8"),
        attack("NaN among the numbers", numbers([one, f64::NAN.to_bits()]), "malformed-batch", "row 1 is NaN"),
        attack("NaN with a payload", numbers([0x7ff0_0000_dead_beef, one]), "malformed-batch", "row 0 is NaN"),
        attack(
            "infinity among the numbers",
            numbers([one, f64::INFINITY.to_bits()]),
            "malformed-batch",
            "row 1 is inf",
        ),
        attack(
            "a truth value that is neither",
            two_rows(&column(3, &[8192, 2], None), &data(8192, &[0x0201])),
            "malformed-batch",
            "a boolean is 2",
        ),
        attack(
            "too few bits of validity",
            two_rows(&column(2, &[8192, 2], Some((8192, 0))), &data(8192, &[0; 4])),
            "malformed-batch",
            "validity has 0 bytes, 1 are needed",
        ),
        attack(
            "more rows than memory could hold",
            Returned { rows: u32::MAX, columns: (2048, 1), ..NOTHING }.module(&column(2, &[8192, 2], None)),
            "malformed-batch",
            "its batch has 4294967295",
        ),
        attack("a kind of column that there is not", two_rows(&column(9, &[0, 0], None), ""), "trapped", ""),
        attack(
            "a column beyond its memory",
            Returned { columns: (u32::MAX - 7, 1), ..NOTHING }.module(""),
            "trapped",
            "",
        ),
        attack(
            "a small memory that returns gigabytes",
            Returned { columns: (2048, 1), ..NOTHING }
                .module(&column(0, &[6000, 1, 0, 100_000], None))
                .replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 40)")
                .replace(
                    &data(2048, &[TEXT, 4, 0, 6000, 1, 0, 100_000, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                    &data(2048, &[TEXT, 4, 0, 6000, 1, 0, 2_000_000, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                ),
            "output-limit",
            "returned more than",
        ),
    ]);
}

#[test]
fn columns_of_one_name_roles_of_nobody_and_counts_of_nothing() {
    let dialogue = |role: &str, length: u32| {
        // One message a row, whose role and text are `role`.
        let payload = [6000, 3, 6016, 3, 8192, 2 * length, 6016, 3, 8192, 2 * length];
        let offsets = format!("{} {}", data(6000, &[0, 1, 2]), data(6016, &[0, length, 2 * length]));
        two_rows(&column(1, &payload, None), &format!("{offsets} {}", text(8192, &role.repeat(2))))
    };
    // Offsets that are wrong, in a column of a name that is.
    let named = |at: u32, length: u32, name: &str| {
        let mut words = vec![at, length, 0, 6000, 1, 8192, 0];
        words.resize(16, 0);
        let rest = format!("{} {} {}", data(2048, &words), data(6000, &[7]), text(at, name));
        Returned { rows: 2, columns: (2048, 1), ..NOTHING }.module(&rest)
    };
    let twice = {
        let numbers = |at: u32| {
            let mut words = vec![TEXT, 4, 2, 8192, 0];
            words.resize(16, 0);
            data(at, &words)
        };
        let columns = format!("{} {} {}", numbers(2048), numbers(2112), text(TEXT, "text"));
        Returned { columns: (2048, 2), ..NOTHING }.module(&columns)
    };
    let count = |key: (u32, u32), kind: u32, bits: u64| {
        let words = [key.0, key.1, kind, 0, bits as u32, (bits >> 32) as u32];
        let rest = format!("{} {} {}", data(6000, &words), text(TEXT, "found"), text(TEXT + 16, "\\1b[31m"));
        Returned { counts: (6000, 1), ..NOTHING }.module(&rest)
    };
    run_in_both_meterings(vec![
        attack("a column of a long name", named(16_384, 300, &"n".repeat(300)), "malformed-batch", "at most 256 bytes"),
        attack(
            "a column of a name of megabytes",
            named(65_536, 900_000, "").replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 40)"),
            "malformed-batch",
            "at most 256 bytes",
        ),
        attack("a column named by an escape code", named(16_384, 4, "\\1b[2J"), "malformed-batch", "` [2J"),
        attack(
            "a column whose name is turned around",
            named(16_384, 6, "\\e2\\80\\ae123"),
            "malformed-batch",
            "characters that can be seen",
        ),
        attack("a role that is an escape code", dialogue("\\1b[2J", 4), "malformed-batch", "role ` [2J`"),
        attack("a role without end", dialogue(&"r".repeat(4_000), 4_000), "malformed-batch", "role `rrrr"),
        attack(
            "writes a column of a name that does not show",
            {
                let description = data(16, &[0, 0, 0, 512, 1, 0]);
                NOTHING
                    .module("")
                    .replace(&data(16, &[0; 6]), &description)
                    .replace(&nothing(512), &format!("{} {}", data(512, &[TEXT, 4]), text(TEXT, "\\1b[2J")))
            },
            "malformed-batch",
            "characters that can be seen",
        ),
        attack("a role of nobody", dialogue("x", 1), "malformed-batch", "role `x`"),
        attack("two columns of one name", twice, "malformed-batch", "two columns are named `text`"),
        attack(
            "counts NaN",
            count((TEXT, 5), 1, f64::NAN.to_bits()),
            "malformed-numbers",
            "`found` is not a finite number",
        ),
        attack("counts a truth value", count((TEXT, 5), 3, 1), "malformed-numbers", "not a finite number"),
        attack("counts under an escape code", count((TEXT + 16, 5), 2, 1), "malformed-numbers", "not a short code"),
    ]);
}

#[test]
fn transforms_that_are_metered_by_time_alone_are_stopped_by_it() {
    let timed = Limits { metering: Metering::Time, wall_time_ms: 100, ..limits() };
    let spin = "(loop $l (br $l)) (unreachable)";
    let rest = format!("{} {}", nothing(RESULT), nothing(512));
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
    run(
        vec![
            attack("spins in process", transform(false, spin, "(i32.const 512)", &rest), "out-of-time", "100 ms"),
            attack(
                "spins in start-up",
                transform(false, "(i32.const 256)", "(i32.const 512)", "(func $s (loop $l (br $l))) (start $s)"),
                "out-of-time",
                "100 ms",
            ),
            attack("memory bomb", transform(false, grow, "(i32.const 512)", &rest), "out-of-memory", "bytes of memory"),
            attack(
                "recurses without end",
                transform(
                    false,
                    "(call $f)",
                    "(i32.const 512)",
                    "(func $f (result i32) (i32.add (call $f) (i32.const 1)))",
                ),
                "stack-limit",
                "bytes of stack",
            ),
        ],
        timed,
    );
}

#[test]
fn transforms_that_are_metered_by_fuel_are_stopped_by_it_and_by_the_clock() {
    let spin = "(loop $l (br $l)) (unreachable)";
    let rest = format!("{} {}", nothing(RESULT), nothing(512));
    let attacks = |code, says| {
        vec![
            attack("spins in process", transform(false, spin, "(i32.const 512)", &rest), code, says),
            attack("spins in finish", transform(false, "(i32.const 256)", spin, &rest), code, says),
        ]
    };
    run(attacks("out-of-fuel", "fuel (5000000)"), limits());
    let long = Limits { fuel: 900_000_000_000, wall_time_ms: 100, ..limits() };
    run(attacks("out-of-time", "longer than 100 ms"), long);
}

#[test]
fn rows_that_are_too_many_for_a_call_are_not_handed_over() {
    let module = NOTHING.module("");
    let small = Limits { input_bytes: 8, ..limits() };
    defend(vec![attack("is handed too much", module, "input-limit", "more than 8 bytes in a call")], |host, attack| {
        let plugin = host.load(World::Transform, small, &component(World::Transform, &attack.module))?;
        plugin.transform(Grants::default())?.process(&batch(0)).map(drop)
    });
}

#[test]
fn more_threads_than_slots_are_no_reason_to_fail() {
    let timed = Limits { metering: Metering::Time, ..limits() };
    let module = transform(true, "(unreachable)", "(i32.const 512)", &nothing(512));
    let plugin = crate::host::host().load(World::Transform, timed, &component(World::Transform, &module)).unwrap();
    let none = std::iter::empty::<Result<freehold_core::batch::Batch, SandboxError>>();
    plugin.transform_all(&Grants::default(), 1_000, none, |_| Ok(())).unwrap();
}

/// However many batches there are, no more are asked for than are worked on.
#[test]
fn a_stream_is_read_no_further_than_its_instances_work() {
    let module = transform(true, "(i32.const 512)", "(i32.const 512)", &nothing(512));
    let component = component(World::Transform, &module);
    for (metering, threads, ahead) in [
        (Metering::Fuel, 1, 1),
        (Metering::Time, 1, 1),
        (Metering::Fuel, 4, WAITING),
        (Metering::Time, 2, 2 * WAITING),
        (Metering::Time, 4, 4 * WAITING),
    ] {
        let plugin = crate::host::host().load(World::Transform, Limits { metering, ..limits() }, &component).unwrap();
        let (given, taken) = (Cell::new(0), Cell::new(0));
        let batches = (0..500).map(|_| {
            given.set(given.get() + 1);
            assert!(given.get() - taken.get() <= ahead + 1, "{metering:?}, {threads} threads");
            Ok::<_, SandboxError>(Batch::new(0, 0, vec![]).unwrap())
        });
        let take = |_| {
            taken.set(taken.get() + 1);
            Ok(())
        };
        plugin.transform_all(&Grants::default(), threads, batches, take).unwrap();
        let instances = if metering == Metering::Time { threads } else { 1 };
        assert_eq!((given.get(), taken.get()), (500, 500 + instances));
    }
}

/// The first outcome is asked for, and is an error, when the bytes that wait are too many: long before the batches are.
#[test]
fn batches_of_long_rows_are_read_no_further_than_their_bytes() {
    let module = transform(true, "(i32.const 512)", "(i32.const 512)", &nothing(512));
    let timed = Limits { metering: Metering::Time, ..limits() };
    let plugin = crate::host::host().load(World::Transform, timed, &component(World::Transform, &module)).unwrap();
    let mut given = 0;
    let batches = (0..500).map(|row| {
        given += 1;
        let text = std::iter::once("x".repeat(WAITING_BYTES / 3).as_str()).collect();
        let column = Column { name: "text".into(), data: ColumnData::Text(text), validity: None };
        Ok::<_, SandboxError>(Batch::new(row, 1, vec![column]).unwrap())
    });
    plugin.transform_all(&Grants::default(), 4, batches, |_| Ok(())).unwrap_err();
    assert_eq!(given, 4);
}

#[test]
fn every_slot_taken_is_said_and_freed_again() {
    let host = crate::host::host();
    let plugin = host.load(World::Transform, limits(), &component(World::Transform, &NOTHING.module(""))).unwrap();
    let mut running = Vec::new();
    let error = loop {
        match plugin.transform(Grants::default()) {
            Ok(transform) => running.push(transform),
            Err(error) => break error,
        }
        assert!(running.len() < 1_000);
    };
    assert!(matches!(error, SandboxError::Busy { limit: 16, .. }), "{error}");
    running.clear();
    assert!(plugin.transform(Grants::default()).is_ok());
}
