//! The setting of one pretraining document: who writes, about which product, and a generator to fill templates.

use super::personal::{self, Country, Person};
use super::pretraining::Edition;
use super::products::{DESK, FURTHER, NEWER, Product};
use super::random::Random;
use super::template::{self, Slots};
use super::words;

/// What stays the same throughout one document.
pub(super) struct Scene {
    /// The generator of this document.
    pub(super) random: Random,
    /// First texts, or the more formal second ones with newer products.
    pub(super) edition: Edition,
    /// The product the document is about.
    pub(super) product: &'static Product,
    /// Another product, to compare with.
    pub(super) other: &'static Product,
    /// The customer.
    pub(super) customer: Person,
    /// The person of the shop who answers.
    pub(super) agent: Person,
    /// The order number.
    pub(super) order: String,
}

impl Scene {
    /// Draws a setting.
    pub(super) fn new(mut random: Random, edition: Edition) -> Self {
        let product = product(&mut random, edition);
        let mut other = product;
        while other.name == product.name {
            other = self::product(&mut random, edition);
        }
        let customer = person(&mut random);
        let agent = person(&mut random);
        let order = personal::order(&mut random);
        Self { random, edition, product, other, customer, agent, order }
    }

    /// Fills one of the templates.
    pub(super) fn one_of(&mut self, templates: &[&str]) -> String {
        let template = self.random.pick(templates);
        self.fill(template)
    }

    /// Fills a template; `{EMAIL}` becomes `[EMAIL]`, as redaction writes it (brackets mean alternatives in templates).
    pub(super) fn fill(&mut self, template: &str) -> String {
        template::expand(template, self).replace('{', "[").replace('}', "]")
    }

    /// Fills `count` different templates of a list, in random order.
    pub(super) fn several(&mut self, templates: &[&str], count: usize) -> Vec<String> {
        let mut order: Vec<&str> = templates.to_vec();
        self.random.shuffle(&mut order);
        order.truncate(count);
        order.into_iter().map(|template| self.fill(template)).collect()
    }

    /// Whether the document belongs to the second edition.
    pub(super) fn formal(&self) -> bool {
        self.edition == Edition::Second
    }

    /// Another customer and order for the same document.
    pub(super) fn renew(&mut self) {
        let random = Random::new(self.random.draw(), "scene");
        *self = Self::new(random, self.edition);
    }

    fn contact(&mut self, name: &str) -> Option<String> {
        let Self { random, customer, .. } = self;
        Some(match name {
            "email" => customer.email(random),
            "phone" => customer.phone(random),
            "iban" => customer.iban(random),
            "card" => personal::card(random),
            "ip" => personal::ip(random),
            _ => return None,
        })
    }

    fn about_product(&mut self, name: &str) -> Option<String> {
        let Self { random, product, other, .. } = self;
        Some(match name {
            "product" => product.name.to_owned(),
            "brand" => product.brand.to_owned(),
            "noun" => product.noun.to_owned(),
            "item" => {
                [product.name, product.name, product.name, product.brand, product.noun][random.below(5)].to_owned()
            }
            "purpose" => product.purpose.to_owned(),
            "part" => random.pick(product.parts).to_owned(),
            "fault" => random.pick(product.faults).to_owned(),
            "feature" => random.pick(product.features).to_owned(),
            "other" => other.name.to_owned(),
            "othernoun" => other.noun.to_owned(),
            "otherfault" => random.pick(other.faults).to_owned(),
            _ => return None,
        })
    }
}

fn product(random: &mut Random, edition: Edition) -> &'static Product {
    let newer = if edition == Edition::Second { 40 } else { 0 };
    if random.chance(newer) {
        random.element(&NEWER)
    } else if random.chance(75) {
        random.element(&DESK)
    } else {
        random.element(&FURTHER)
    }
}

fn person(random: &mut Random) -> Person {
    let country = *random.element(&Country::ALL);
    personal::person(random, country)
}

impl Slots for Scene {
    fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn slot(&mut self, name: &str) -> Option<String> {
        let value = match name {
            "name" => self.customer.name(),
            "first" => self.customer.first.to_owned(),
            "last" => self.customer.last.to_owned(),
            "city" => self.customer.city.to_owned(),
            "agent" => self.agent.name(),
            "agentfirst" => self.agent.first.to_owned(),
            "agentlast" => self.agent.last.to_owned(),
            "agentcity" => self.agent.city.to_owned(),
            "order" => self.order.clone(),
            "n" => self.random.between(2, 60).to_string(),
            "small" => self.random.between(2, 9).to_string(),
            "price" => format!("{} euros", self.random.between(2, 49) * 10 - 1),
            "version" => format!("{}.{}.{}", self.random.between(1, 9), self.random.below(20), self.random.below(10)),
            "year" => self.random.between(2015, 2026).to_string(),
            _ => {
                return self.about_product(name).or_else(|| self.contact(name)).or_else(|| {
                    let list = words::list(name)?;
                    Some(self.random.pick(list).to_owned())
                });
            }
        };
        Some(value)
    }
}
