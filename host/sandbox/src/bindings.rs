//! What wasmtime makes of `wit/`. Types and platform are made once and shared by the three worlds.

#![expect(unreachable_pub, reason = "generated; the documentation is in wit/")]

pub mod transform {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/platform", "../../wit/transform"],
        world: "freehold:transform/transform-plugin",
        imports: { default: trappable },
    });
}

pub mod metric {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/platform", "../../wit/metric"],
        world: "freehold:metric/metric-plugin",
        imports: { default: trappable },
        with: {
            "freehold:types/types@1.0.0": super::types,
            "freehold:platform/platform@1.0.0": super::platform,
        },
    });
}

pub mod policy {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/platform", "../../wit/policy"],
        world: "freehold:policy/policy-plugin",
        imports: { default: trappable },
        with: {
            "freehold:types/types@1.0.0": super::types,
            "freehold:platform/platform@1.0.0": super::platform,
        },
    });
}

pub use transform::freehold::platform::platform;
pub use transform::freehold::types::types;
