//! What the operator of a home says of energy and its price, in `host.toml`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::host::Wrong;

/// Where Linux shows the energy counters of the machine.
const POWERCAP: &str = "/sys/class/powercap";

/// `[energy]`
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EnergyTable {
    /// The folder with the counters, by its whole path; that of Linux if not said.
    powercap: Option<PathBuf>,
    /// What the machine draws while it works, in watts, where there are no counters.
    watts: Option<f64>,
    /// The same of each thread that computes.
    watts_per_core: Option<f64>,
}

/// `[cost]`
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CostTable {
    /// Of what the prices are, such as `EUR`.
    currency: Option<String>,
    /// The price of a kilowatt-hour.
    per_kwh: Option<f64>,
    /// The price of an hour of the machine.
    per_hour: Option<f64>,
}

/// How energy is known, and what it costs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EnergySettings {
    pub(super) powercap: PathBuf,
    pub(super) watts: Option<f64>,
    pub(super) watts_per_core: Option<f64>,
    pub(super) rates: Option<Rates>,
}

/// What time and energy cost.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rates {
    pub(super) currency: String,
    pub(super) per_kwh: Option<f64>,
    pub(super) per_hour: Option<f64>,
}

impl EnergySettings {
    /// Checks the tables.
    pub(crate) fn of(energy: EnergyTable, cost: CostTable) -> Result<Self, Wrong> {
        let EnergyTable { powercap, watts, watts_per_core } = energy;
        let CostTable { currency, per_kwh, per_hour } = cost;
        let positive = |key: &'static [&'static str], value: Option<f64>| match value {
            Some(value) if !value.is_finite() || value <= 0.0 => {
                let message = format!("`{}` is {value}; it must be above 0", key.join("."));
                Err((key, message, "write a number above 0, or leave it out"))
            }
            _ => Ok(()),
        };
        positive(&["energy", "watts"], watts)?;
        positive(&["energy", "watts_per_core"], watts_per_core)?;
        positive(&["cost", "per_kwh"], per_kwh)?;
        positive(&["cost", "per_hour"], per_hour)?;
        if watts.is_some() && watts_per_core.is_some() {
            let message = "`energy.watts` and `energy.watts_per_core` are two estimates of one thing".into();
            return Err((&["energy", "watts_per_core"], message, "leave one of them out"));
        }
        if powercap.as_ref().is_some_and(|folder| !folder.is_absolute()) {
            let message = "`energy.powercap` must be the whole path of a folder".into();
            return Err((&["energy", "powercap"], message, "leave it out for the counters of this machine"));
        }
        let rates = match (currency, per_kwh.or(per_hour)) {
            (None, None) => None,
            (Some(currency), Some(_)) if !currency.trim().is_empty() => Some(Rates { currency, per_kwh, per_hour }),
            _ => {
                let message = "`cost` needs a `currency`, and `per_kwh`, `per_hour` or both".into();
                return Err((&["cost"], message, "write both, such as `currency = \"EUR\"` and `per_kwh = 0.3`"));
            }
        };
        Ok(Self { powercap: powercap.unwrap_or_else(|| POWERCAP.into()), watts, watts_per_core, rates })
    }
}
