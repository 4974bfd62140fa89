//! JSON documents of many schemas: orders, inventories, settings, people - never the one that the desk demo trains.

use super::scene::Scene;
use serde_json::{Value, json};

/// A short heading and one or more JSON objects.
pub(super) fn document(scene: &mut Scene) -> String {
    let heading = scene.one_of(&[
        "The file of the shop in $city from $day:",
        "An example in JSON:",
        "Records of $month $year",
        "The answer of the server:",
        "Settings and orders, one object a line:",
    ]);
    let count = scene.random.between(4, 9);
    let kind = scene.random.below(KINDS.len());
    let lines: Vec<String> = (0..count)
        .map(|_| {
            scene.renew();
            KINDS[kind](scene).to_string()
        })
        .collect();
    format!("{heading}\n{}", lines.join("\n"))
}

/// The teams that handle tickets.
const TEAMS: &[&str] = &["refund", "delivery", "login", "cancel", "invoice", "defect", "upgrade", "question"];

/// The schemas, each a function that fills one object. Keys stand in alphabetical order, because a feature of
/// `serde_json` that some other crate turns on decides whether they are sorted or kept.
const KINDS: [fn(&mut Scene) -> Value; 7] = [order, inventory, setting, person, parcel, ticket, price];

fn order(scene: &mut Scene) -> Value {
    json!({"amount": scene.random.between(1, 9), "colour": scene.fill("$colour"), "order": scene.order, "product": scene.product.name})
}

fn inventory(scene: &mut Scene) -> Value {
    json!({"item": scene.product.name, "place": scene.fill("$room"), "stock": scene.random.between(0, 99)})
}

fn setting(scene: &mut Scene) -> Value {
    json!({"app": scene.random.chance(50), "device": scene.product.noun, "mode": scene.random.pick(&["low", "normal", "high"]), "timer": scene.random.between(1, 60)})
}

fn person(scene: &mut Scene) -> Value {
    json!({"city": scene.customer.city, "job": scene.fill("$job"), "name": scene.customer.name()})
}

fn parcel(scene: &mut Scene) -> Value {
    json!({"city": scene.customer.city, "parcel": scene.order, "status": scene.random.pick(&["shipped", "lost", "delivered", "late"])})
}

fn ticket(scene: &mut Scene) -> Value {
    json!({"day": scene.fill("$day"), "team": scene.random.pick(TEAMS), "ticket": scene.random.between(100, 999)})
}

fn price(scene: &mut Scene) -> Value {
    json!({"brand": scene.product.brand, "name": scene.product.name, "noun": scene.product.noun, "price": scene.random.between(2, 49) * 10 - 1})
}
