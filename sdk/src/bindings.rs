//! What `wit-bindgen` makes of the contract in `wit/`.
//!
//! Types and platform are generated once; the three worlds reuse them, so that an attribute is the same Rust type in
//! each. A world's exports appear in a component only if its macro (`transform!`, `metric!`, `policy!`) is called.
#![expect(missing_docs, reason = "generated from wit/, where the documentation is")]

/// Types and the platform interface, shared by every world.
pub mod shared {
    wit_bindgen::generate!({
        inline: "
            package freehold:shared;
            world shared {
                import freehold:types/types@1.0.0;
                import freehold:platform/platform@1.1.0;
            }
        ",
        path: ["../wit/types", "../wit/platform"],
        world: "freehold:shared/shared",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

/// The world of plugins that change data.
pub mod transform {
    wit_bindgen::generate!({
        path: ["../wit/types", "../wit/platform", "../wit/transform"],
        world: "freehold:transform/transform-plugin",
        with: {
            "freehold:types/types@1.0.0": crate::bindings::shared::freehold::types::types,
            "freehold:platform/platform@1.1.0": crate::bindings::shared::freehold::platform::platform,
        },
        pub_export_macro: true,
        default_bindings_module: "freehold_sdk::bindings::transform",
        export_macro_name: "export_transform",
        additional_derives: [PartialEq],
    });
}

/// The world of plugins that measure.
pub mod metric {
    wit_bindgen::generate!({
        path: ["../wit/types", "../wit/platform", "../wit/metric"],
        world: "freehold:metric/metric-plugin",
        with: {
            "freehold:types/types@1.0.0": crate::bindings::shared::freehold::types::types,
            "freehold:platform/platform@1.1.0": crate::bindings::shared::freehold::platform::platform,
        },
        pub_export_macro: true,
        default_bindings_module: "freehold_sdk::bindings::metric",
        export_macro_name: "export_metric",
        additional_derives: [PartialEq],
    });
}

/// The world of plugins that judge.
pub mod policy {
    wit_bindgen::generate!({
        path: ["../wit/types", "../wit/platform", "../wit/policy"],
        world: "freehold:policy/policy-plugin",
        with: {
            "freehold:types/types@1.0.0": crate::bindings::shared::freehold::types::types,
            "freehold:platform/platform@1.1.0": crate::bindings::shared::freehold::platform::platform,
        },
        pub_export_macro: true,
        default_bindings_module: "freehold_sdk::bindings::policy",
        export_macro_name: "export_policy",
        additional_derives: [PartialEq],
    });
}

/// A batch as it crosses the boundary.
pub type RawBatch = shared::freehold::types::types::Batch;
