//! Attacks of the stack: it is the host's own, and what is beyond it ends the process.

use freehold_core::limits::{Limits, Metering};
use freehold_core::manifest::World;
use freehold_sandbox::{Bound, Grants, HostSettings, Plugin, SandboxError};

use crate::guest::{RESULT, component, data, transform};
use crate::host::{Host, batch, host, limits};

/// A transform that calls itself so many times in `process`, and then is done with the rows.
fn recursing(independent: bool, times: u32) -> String {
    let rest = format!(
        "{} {} (func $f (param i32) (result i32)
           (if (result i32) (local.get 0)
             (then (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0))))",
        data(RESULT, &[0; 14]),
        data(512, &[0; 14])
    );
    let process = format!("(drop (call $f (i32.const {times}))) (i32.const {RESULT})");
    transform(independent, &process, "(i32.const 512)", &rest)
}

const WITHOUT_END: u32 = u32::MAX;

fn load(host: &Host, limits: Limits, module: &str) -> Result<Plugin, SandboxError> {
    host.load(World::Transform, limits, &component(World::Transform, module))
}

fn process(plugin: &Plugin) -> Result<(), SandboxError> {
    plugin.transform(Grants::default())?.process(&batch(0)).map(drop)
}

#[test]
fn a_plugin_gets_the_stack_that_it_asked_for() {
    // More than 64 KiB, less than a megabyte.
    let module = recursing(false, 5_000);
    for metering in [Metering::Fuel, Metering::Time] {
        let asks = |stack_bytes| Limits { stack_bytes, metering, ..limits() };
        process(&load(host(), asks(1 << 20), &module).unwrap()).unwrap();
        for (asked, gets) in [(64 << 10, 65_536), (1, 65_536), (40_000, 65_536)] {
            let error = process(&load(host(), asks(asked), &module).unwrap()).unwrap_err();
            let SandboxError::Limit { limit, bound, .. } = &error else { panic!("{error}") };
            assert_eq!((error.code(), *limit, *bound), ("stack-limit", gets, Bound::Manifest), "{error}");
            assert!(error.to_string().contains("65536 bytes of stack"), "{error}");
        }
        // And is still what it was for the others.
        process(&load(host(), asks(1 << 20), &module).unwrap()).unwrap();
    }
}

#[test]
fn the_largest_stack_is_there_on_every_thread() {
    let largest = 2 << 20;
    let settings = HostSettings { concurrent: 8, limits: Limits { stack_bytes: largest, ..Limits::HOST } };
    let host = Host::new(settings);
    for metering in [Metering::Fuel, Metering::Time] {
        let asked = Limits { stack_bytes: largest, metering, fuel: 1_000_000_000, ..limits() };
        let plugin = load(&host, asked, &recursing(true, WITHOUT_END)).unwrap();
        // On this thread, which has no more than that itself, and on those that share the work.
        assert_eq!(process(&plugin).unwrap_err().code(), "stack-limit");
        for threads in [1, 3] {
            let batches = [batch(0)];
            let all = plugin.transform_all(
                &Grants::default(),
                threads,
                batches.iter().cloned().map(Ok::<_, SandboxError>),
                |_| Ok(()),
            );
            let error = all.unwrap_err();
            assert!(error.to_string().contains("2097152 bytes of stack"), "{error}");
        }
    }
}
