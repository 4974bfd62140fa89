//! Attacks of metrics: numbers that are none, too many or too few.

use freehold_core::limits::{Limits, Metering};
use freehold_core::manifest::World;
use freehold_sandbox::{Grants, SandboxError};

use crate::guest::{RESULT, component, data, metric, text};
use crate::host::{Attack, Host, batch, defend, limits};

fn attack(name: &'static str, module: String, code: &'static str, says: &'static str) -> Attack {
    Attack { name, module, code, says }
}

/// `ok([...])` at an address, the numbers behind it.
fn numbers(at: u32, values: &[f64]) -> String {
    let words: Vec<u32> =
        values.iter().map(|value| value.to_bits()).flat_map(|bits| [bits as u32, (bits >> 32) as u32]).collect();
    format!("{} {}", data(at, &[0, at + 16, values.len() as u32]), data(at + 16, &words))
}

#[test]
fn numbers_that_are_none() {
    let describe = "(i32.const 16)";
    let with = |statistics: &[f64], values: &[f64]| {
        let rest = format!("{} {}", numbers(RESULT, statistics), numbers(2048, values));
        metric(describe, "(i32.const 256)", "(i32.const 2048)", &rest)
    };
    let described = |words: &[u32]| metric("(i32.const 4096)", "(unreachable)", "(unreachable)", &data(4096, words));
    let good = [1.0, 0.0, 1.0];
    defend(
        vec![
            attack(
                "NaN for a statistic",
                with(&[1.0, f64::NAN, 0.0], &[1.0]),
                "malformed-numbers",
                "statistics[1] is NaN",
            ),
            attack("infinity for a statistic", with(&[f64::INFINITY, 0.0, 0.0], &[1.0]), "malformed-numbers", "is inf"),
            attack(
                "too few statistics",
                with(&[1.0], &[1.0]),
                "malformed-numbers",
                "returned 1 statistics, expected 3",
            ),
            attack(
                "too many statistics",
                with(&[1.0; 9], &[1.0]),
                "malformed-numbers",
                "returned 9 statistics, expected 3",
            ),
            attack("NaN for a value", with(&good, &[f64::NAN]), "malformed-numbers", "values[0] is NaN"),
            attack("minus infinity for a value", with(&good, &[f64::NEG_INFINITY]), "malformed-numbers", "is -inf"),
            attack("no value", with(&good, &[]), "malformed-numbers", "returned 0 values, expected 1"),
            attack("a row without statistics", described(&[0, 0, 0, 1]), "malformed-numbers", "a row has 0 statistics"),
            attack(
                "a row of too many statistics",
                {
                    // Each name is the empty text at 0.
                    described(&[0, 8192, 2_000, 1])
                },
                "malformed-numbers",
                "a row has 2000 statistics",
            ),
            attack(
                "a small memory that returns many numbers",
                {
                    let rest = data(RESULT, &[0, 0, 260_000]);
                    metric(describe, "(i32.const 256)", "(unreachable)", &rest)
                        .replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 40)")
                },
                "output-limit",
                "returned more than",
            ),
        ],
        |host, attack| ask(host, attack, limits()),
    );
}

fn ask(host: &Host, attack: &Attack, limits: Limits) -> Result<(), SandboxError> {
    let plugin = host.load(World::Metric, limits, &component(World::Metric, &attack.module))?;
    let mut running = plugin.metric(Grants::default())?;
    running.describe()?;
    let statistics = running.statistics(&batch(0))?;
    running.values(&[statistics.iter().sum()]).map(drop)
}

#[test]
fn metrics_are_metered_by_fuel_and_stopped_by_the_clock() {
    let spin = "(loop $l (br $l)) (unreachable)";
    let three = numbers(RESULT, &[1.0, 0.0, 1.0]);
    let describing = metric(spin, "(unreachable)", "(unreachable)", "");
    let measuring = metric("(i32.const 16)", spin, "(unreachable)", "");
    let summing = metric("(i32.const 16)", "(i32.const 256)", spin, &three);
    let attacks = |code, says| {
        let attack = |name, module: &String| attack(name, module.clone(), code, says);
        vec![
            attack("spins in describe", &describing),
            attack("spins in statistics", &measuring),
            attack("spins in values", &summing),
        ]
    };
    defend(attacks("out-of-fuel", "fuel (5000000)"), |host, attack| ask(host, attack, limits()));
    let long = Limits { fuel: 900_000_000_000, wall_time_ms: 100, ..limits() };
    defend(attacks("out-of-time", "longer than 100 ms"), |host, attack| ask(host, attack, long));
    // A measurement decides: it may not depend on how fast a machine is.
    let timed = Limits { metering: Metering::Time, ..limits() };
    defend(attacks("metering", "metered by time alone"), |host, attack| ask(host, attack, timed));
}

#[test]
fn statistics_of_names_that_do_not_show() {
    let described = |name: &str, length: u32| {
        let rest = [data(4096, &[0, 8192, 1, 1]), data(8192, &[8200, length]), text(8200, name)].concat();
        metric("(i32.const 4096)", "(unreachable)", "(unreachable)", &rest)
    };
    defend(
        vec![
            attack("an escape code", described("\\1b[2J", 4), "malformed-batch", "characters that can be seen"),
            attack("a novel", described(&"n".repeat(300), 300), "malformed-batch", "at most 256 bytes"),
        ],
        |host, attack| ask(host, attack, limits()),
    );
}
