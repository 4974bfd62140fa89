//! What wasmtime makes of `wit/`. The worlds that take batches are made together, so that they share the types that batches are
//! lent in; a plugin has one of them. The platform is made once for all.
//!
//! The versions are those of the newest contract. wasmtime links plugins of an older one to them, and finds their exports by the
//! newer name, as long as the major version is the same; which are accepted is said in `freehold_core::contract`.

#![expect(unreachable_pub, reason = "generated; the documentation is in wit/")]

mod batches {
    wasmtime::component::bindgen!({
        inline: "
            package freehold:host;
            world batches {
                import freehold:platform/platform@1.1.0;
                export freehold:transform/transform@1.1.0;
                export freehold:metric/metric@1.1.0;
            }
        ",
        path: ["../../wit/types", "../../wit/platform", "../../wit/transform", "../../wit/metric"],
        world: "freehold:host/batches",
        imports: { default: trappable },
        // What is handed to a plugin is lowered from where it lies.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub mod policy {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/platform", "../../wit/policy"],
        world: "freehold:policy/policy-plugin",
        imports: { default: trappable },
        with: { "freehold:platform/platform@1.1.0": super::platform },
    });
}

pub use batches::exports::freehold::{metric::metric, transform::transform};
pub use batches::freehold::platform::platform;
pub use batches::freehold::types::types;
