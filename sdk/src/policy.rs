//! Plugins that judge: evidence in, a verdict out. The host denies when a policy errs, so an error is never an allow.

pub use crate::bindings::policy::exports::freehold::policy::policy::{
    Estimate, Evidence, Measurement, Outcome, Stage, Subject, Verdict,
};
use crate::instance::Instance;
use crate::{settings, text_attribute};
use serde::de::DeserializeOwned;

/// A plugin that judges. Export it with [`policy!`](crate::policy!).
pub trait Policy: Sized + 'static {
    /// What the recipe can set; missing settings have the manifest's defaults.
    type Settings: DeserializeOwned;

    /// Makes the plugin.
    ///
    /// # Errors
    /// If the settings make no sense; the message should name the setting.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// Judges.
    ///
    /// # Errors
    /// If it cannot; the host denies.
    fn check(&self, evidence: &Evidence) -> Result<Verdict, String>;
}

impl Verdict {
    /// Yes.
    pub fn allow(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Outcome::Allow, code.into(), reason.into())
    }

    /// Yes, but somebody should look.
    pub fn warn(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Outcome::Warn, code.into(), reason.into())
    }

    /// No.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Outcome::Deny, code.into(), reason.into())
    }

    /// Names evidence that the verdict rests on, such as `dataset:tickets`.
    #[must_use]
    pub fn rests_on<S: Into<String>>(mut self, evidence: impl IntoIterator<Item = S>) -> Self {
        self.rests_on.extend(evidence.into_iter().map(Into::into));
        self
    }

    const fn new(outcome: Outcome, code: String, reason: String) -> Self {
        Self { outcome, code, reason, rests_on: Vec::new() }
    }
}

impl Subject {
    /// The text of the attribute or label named `key`.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        text_attribute(&self.attributes, key)
    }
}

impl Evidence {
    /// The measurement of the metric named `metric`.
    #[must_use]
    pub fn measurement(&self, metric: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.metric == metric)
    }
}

/// The export `check`.
#[doc(hidden)]
pub fn check<P: Policy>(instance: &Instance<P>, evidence: &Evidence) -> Result<Verdict, String> {
    instance.with(|given| P::new(settings::parse(given)?), |plugin| plugin.check(evidence))
}

/// Exports a [`Policy`] to the host.
#[macro_export]
macro_rules! policy {
    ($plugin:ty) => {
        const _: () = {
            use $crate::bindings::policy::exports::freehold::policy::policy as world;
            ::std::thread_local! {
                static INSTANCE: $crate::instance::Instance<$plugin> = const { $crate::instance::Instance::new() };
            }
            struct Exported;
            impl world::Guest for Exported {
                fn check(evidence: world::Evidence) -> Result<world::Verdict, String> {
                    INSTANCE.with(|instance| $crate::policy::check(instance, &evidence))
                }
            }
            $crate::export_policy_for_wasm!(Exported);
        };
    };
}

/// Exports a type that implements the generated `Guest` trait itself.
#[cfg(target_family = "wasm")]
#[macro_export]
macro_rules! export_policy_for_wasm {
    ($exported:ident) => {
        $crate::bindings::policy::export_policy!($exported with_types_in $crate::bindings::policy);
    };
}

/// Exports nothing: natively the type is called, not linked.
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! export_policy_for_wasm {
    ($exported:ident) => {
        const _: ::std::marker::PhantomData<$exported> = ::std::marker::PhantomData;
    };
}
