//! Reading a recipe, and what serde cannot check.

use std::collections::BTreeSet;

use super::{EarlyStopping, Method, Recipe, Split};
use crate::hub::HubModel;
use crate::name::is_label;
use crate::toml_text::{self, TomlError};

/// A recipe cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// It is not TOML, or has other keys or values than a recipe has.
    #[error(transparent)]
    Toml(#[from] TomlError),
    /// A value is not one that a run can be made with.
    #[error("`{key}`: {problem}")]
    Value {
        /// The key, with its table.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

impl Recipe {
    /// Reads a recipe and checks its values.
    pub fn parse(document: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml_text::parse(document)?;
        recipe.check_names()?;
        recipe.check_settings()?;
        recipe.check_training()?;
        recipe.check_measuring()?;
        Ok(recipe)
    }

    fn check_names(&self) -> Result<(), RecipeError> {
        require(is_label(&self.run.name), "run.name", "use lowercase letters, digits and hyphens")?;
        let model = &self.base.model;
        if let (true, Err(error)) = (HubModel::is_meant(model), model.parse::<HubModel>()) {
            require(false, "base.model", &error.to_string())?;
        }
        let mut names = BTreeSet::new();
        for data in &self.data {
            let key = format!("data.name = \"{}\"", data.name);
            require(is_label(&data.name), &key, "use lowercase letters, digits and hyphens")?;
            require(names.insert(&data.name), &key, "two datasets have this name")?;
            let some = data.share.is_none_or(|share| share > 0.0 && share <= 1.0);
            require(some, &format!("data.share of \"{}\"", data.name), "must be above 0 and at most 1")?;
        }
        for split in Split::ALL {
            let found = self.data.iter().any(|data| data.split == split);
            require(found, "data", &format!("no dataset has split = \"{}\"", split.as_str()))?;
        }
        let mut names = BTreeSet::new();
        for metric in &self.metric {
            let key = format!("metric.name = \"{}\"", metric.measurement());
            require(names.insert(metric.measurement()), &key, "two metrics have this name; set another `name`")?;
        }
        let mut names = BTreeSet::new();
        for descriptor in &self.descriptor {
            let key = format!("descriptor.name = \"{}\"", descriptor.measurement());
            require(
                names.insert(descriptor.measurement()),
                &key,
                "two descriptors have this name; set another `name`",
            )?;
        }
        require(!self.metric.is_empty(), "metric", "at least one metric is needed")
    }

    /// The digest of a recipe is that of its JSON, in which every number that is not finite would be the same.
    fn check_settings(&self) -> Result<(), RecipeError> {
        let transforms = self.transform.iter().map(|it| ("transform", &it.plugin, &it.settings));
        let metrics = self.metric.iter().map(|it| ("metric", &it.plugin, &it.settings));
        let policies = self.policy.iter().map(|it| ("policy", &it.plugin, &it.settings));
        let descriptors = self.descriptor.iter().map(|it| ("descriptor", &it.plugin, &it.settings));
        for (table, plugin, settings) in transforms.chain(metrics).chain(policies).chain(descriptors) {
            for (name, value) in settings {
                let key = format!("{table}.settings.{name}");
                require(is_finite(value), &key, &format!("`{plugin}` is given a number that is not finite"))?;
            }
        }
        Ok(())
    }

    fn check_training(&self) -> Result<(), RecipeError> {
        let (adapter, train) = (&self.adapter, &self.train);
        if adapter.method == Method::Full {
            let absent = adapter.rank == 0 && adapter.alpha == 0.0 && adapter.dropout == 0.0;
            require(absent, "adapter.method", "`full` has no rank, alpha or dropout: leave these keys out")?;
        } else {
            require((1..=1024).contains(&adapter.rank), "adapter.rank", "must be from 1 to 1024")?;
            require(adapter.alpha.is_finite() && adapter.alpha > 0.0, "adapter.alpha", "must be above 0")?;
        }
        require((0.0..1.0).contains(&adapter.dropout), "adapter.dropout", "must be from 0 to below 1")?;
        require(!adapter.targets.is_empty(), "adapter.targets", "at least one layer is needed")?;
        for target in &adapter.targets {
            let known = TARGETS.contains(&target.as_str());
            require(known, "adapter.targets", &format!("`{target}` is not one of {}", TARGETS.join(", ")))?;
        }
        let distinct: BTreeSet<_> = adapter.targets.iter().collect();
        require(distinct.len() == adapter.targets.len(), "adapter.targets", "a layer is named twice")?;
        let finite = |value: f64| value.is_finite() && value > 0.0;
        let stays = self.start.is_some() && train.epochs == 0.0;
        let seen = finite(train.epochs) && train.epochs <= 1e6;
        require(seen || stays, "train.epochs", "must be above 0; 0 leaves what `[start]` names as it is")?;
        let named = self.start.as_ref().is_none_or(|start| !start.adapter.is_empty());
        require(named, "start.adapter", "name an alias, a run, or the digest of an adapter")?;
        require(finite(train.learning_rate), "train.learning_rate", "must be above 0")?;
        require(finite(train.clip_norm), "train.clip_norm", "must be above 0")?;
        require(
            train.weight_decay.is_finite() && train.weight_decay >= 0.0,
            "train.weight_decay",
            "must not be negative",
        )?;
        require(train.tokens_at_once >= 1, "train.tokens_at_once", "must be at least 1")?;
        require(train.keep_checkpoints >= 1, "train.keep_checkpoints", "must be at least 1")?;
        if let Some(EarlyStopping { metric, every, patience, min_delta }) = &train.early_stopping {
            let key = "train.early_stopping";
            require(*every >= 1 && *patience >= 1, key, "`every` and `patience` must be at least 1")?;
            require(min_delta.is_finite() && *min_delta >= 0.0, key, "`min_delta` must not be negative")?;
            let known = metric == "loss" || self.metric.iter().any(|it| it.measurement() == metric);
            require(known, key, &format!("`metric` is `{metric}`, neither `loss` nor the name of a metric"))?;
        }
        require(train.max_length >= 2, "train.max_length", "must be at least 2 tokens")?;
        require(train.tokens_per_step >= train.max_length, "train.tokens_per_step", "must be at least train.max_length")
    }

    fn check_measuring(&self) -> Result<(), RecipeError> {
        let evaluate = &self.evaluate;
        require(evaluate.max_new_tokens >= 1, "evaluate.max_new_tokens", "must be at least 1")?;
        let level = evaluate.confidence > 0.5 && evaluate.confidence < 1.0;
        require(level, "evaluate.confidence", "must be above 0.5 and below 1, such as 0.95")?;
        require((100..=100_000).contains(&evaluate.resamples), "evaluate.resamples", "must be from 100 to 100000")?;
        let needed = self.promote.as_ref().and_then(|promote| promote.approvals).map(|approvals| approvals.needed);
        let problem = "must be at least 1; leave `approvals` out if nobody has to approve";
        require(needed != Some(0), "promote.approvals.needed", problem)
    }
}

/// Whether every number in a value is finite.
fn is_finite(value: &toml::Value) -> bool {
    match value {
        toml::Value::Float(number) => number.is_finite(),
        toml::Value::Array(values) => values.iter().all(is_finite),
        toml::Value::Table(table) => table.iter().all(|(_, value)| is_finite(value)),
        _ => true,
    }
}

fn require(holds: bool, key: &str, problem: &str) -> Result<(), RecipeError> {
    if holds { Ok(()) } else { Err(RecipeError::Value { key: key.into(), problem: problem.into() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = r#"
[run]
name = "support"
[base]
model = "models/base-1"
[[data]]
name = "a"
path = "a.jsonl"
split = "train"
[[data]]
name = "b"
path = "b.jsonl"
split = "eval"
[adapter]
method = "lora"
rank = 8
alpha = 16
[train]
epochs = 1
tokens_per_step = 512
learning_rate = 1e-3
max_length = 128
[[metric]]
plugin = "acme/exact-match"
version = "^1.0"
"#;

    #[test]
    fn a_recipe_is_read_with_defaults() {
        let recipe = Recipe::parse(RECIPE).unwrap();
        assert_eq!(recipe.adapter.targets.len(), 7);
        assert_eq!(recipe.metric[0].measurement(), "exact-match");
        assert_eq!(recipe.evaluate.confidence, 0.95);
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        for (from, to, key) in [
            ("name = \"support\"", "name = \"../x\"", "run.name"),
            ("rank = 8", "rank = 0", "adapter.rank"),
            ("rank = 8", "rank = 8\ntargets = []", "adapter.targets"),
            ("rank = 8", "rank = 8\ntargets = [\"lm_head\"]", "adapter.targets"),
            ("alpha = 16", "alpha = nan", "adapter.alpha"),
            ("epochs = 1", "epochs = 0", "train.epochs"),
            ("max_length = 128", "max_length = 1024", "train.tokens_per_step"),
            ("split = \"eval\"", "split = \"train\"", "data"),
            ("name = \"b\"", "name = \"a\"", "data.name"),
            ("split = \"eval\"", "split = \"eval\"\nshare = 0.0", "data.share"),
            ("split = \"eval\"", "split = \"eval\"\nshare = 1.5", "data.share"),
            ("[train]", "[promote]\nalias = \"a@b\"\napprovals.needed = 0\n[train]", "promote.approvals.needed"),
        ] {
            let error = Recipe::parse(&RECIPE.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(key), "{to}: {error}");
        }
    }

    #[test]
    fn only_what_starts_from_something_may_stay_as_it_is() {
        let still = RECIPE.replace("epochs = 1", "epochs = 0");
        assert!(Recipe::parse(&still).is_err());
        let started = |adapter: &str| Recipe::parse(&format!("{still}[start]\nadapter = \"{adapter}\"\n"));
        assert_eq!(started("support-1").unwrap().start.unwrap().adapter, "support-1");
        assert!(started("").unwrap_err().to_string().contains("start.adapter"));
    }

    #[test]
    fn what_a_recipe_leaves_out_is_not_in_its_digest() {
        let json = serde_json::to_value(Recipe::parse(RECIPE).unwrap()).unwrap();
        assert!(json.get("start").is_none());
    }

    #[test]
    fn a_setting_that_json_cannot_tell_apart_is_refused() {
        let with = |setting: &str| Recipe::parse(&format!("{RECIPE}settings = {{ x = {setting} }}\n"));
        for good in ["1.5", "[1.0, 'a', { b = 2.0 }]", "1979-05-27"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in ["inf", "-inf", "nan", "[1.0, [nan]]", "{ a = { b = inf } }"] {
            let error = with(bad).unwrap_err().to_string();
            assert!(error.contains("metric.settings.x") && error.contains("not finite"), "{bad}: {error}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_a_suggestion() {
        let error = Recipe::parse(&RECIPE.replace("rank = 8", "rnak = 8")).unwrap_err();
        let RecipeError::Toml(error) = error else { panic!("{error}") };
        assert_eq!(error.remedy.as_deref(), Some("did you mean `rank`?"));
    }
}
