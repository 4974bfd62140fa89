//! Dialogues in the models' chat format: many small tasks over messages, so that adapting has something to build on.
//!
//! The desk demo's own task - a JSON object of intent, product and urgency - is left out on purpose: the base models
//! must not know it. What it needs is here in pieces: names copied, wishes and haste in plain words, JSON of other keys.

use super::arithmetic;
use super::letters::Concern;
use super::scene::Scene;
use serde_json::json;

/// A question and its answer.
type Exchange = (String, String);

/// The tasks, those most useful for adapting several times.
const TASKS: [fn(&mut Scene) -> Exchange; 24] = [
    which_product,
    which_product,
    full_name,
    wish,
    wish,
    wish,
    haste,
    haste,
    wish_and_haste,
    wish_and_haste,
    team,
    names_as_json,
    names_as_json,
    order_as_json,
    ticket_as_json,
    repeat,
    repeat,
    order_number,
    tone,
    shorten,
    count_words,
    other_form,
    calculate,
    know,
];

/// A dialogue of one to five exchanges.
pub(super) fn dialogue(scene: &mut Scene) -> String {
    let mut text = String::new();
    let exchanges = scene.random.between(1, 4);
    let mut done = 0;
    while done < exchanges || text.split_whitespace().count() < 30 {
        let task = *scene.random.element(&TASKS);
        let (question, answer) = task(scene);
        text.push_str(&format!("<|user|>{question}<|end|><|assistant|>{answer}<|end|>"));
        done += 1;
        scene.renew();
    }
    text
}

/// An instruction before or after a message.
fn ask(scene: &mut Scene, instructions: &[&str], message: &str) -> String {
    let instruction = scene.one_of(instructions);
    match scene.random.below(3) {
        0 => format!("{message}\n{instruction}"),
        1 => format!("{instruction}\n{message}"),
        _ => format!("{instruction} \"{message}\""),
    }
}

fn which_product(scene: &mut Scene) -> Exchange {
    let message = Concern::draw(scene).message(scene);
    let question = ask(
        scene,
        &[
            "Which product is it about?",
            "What product does the customer mean?",
            "Name the product.",
            "Find the product in this message.",
        ],
        &message,
    );
    (
        question,
        scene.one_of(&[
            "It is about the $product.",
            "The customer means the $product.",
            "The product is the $product.",
            "$product",
        ]),
    )
}

fn full_name(scene: &mut Scene) -> Exchange {
    let question = scene.one_of(&[
        "What is the full name of the $noun?",
        "What is the $brand called?",
        "Somebody writes \"my $noun\". What is it?",
        "$noun",
    ]);
    (question, scene.one_of(&["The $product.", "It is the $product.", "$product"]))
}

fn wish(scene: &mut Scene) -> Exchange {
    let concern = Concern::draw(scene);
    let message = concern.message(scene);
    let question = ask(
        scene,
        &[
            "What does the customer want?",
            "What is this about?",
            "Say in one sentence what the customer wants.",
            "Sum it up.",
        ],
        &message,
    );
    let wish = concern.wish(scene);
    // A word after a bracket is another token than after a space, and the keys to come stand after a quote.
    let noted = format!("{} (intent: {}).", wish.trim_end_matches('.'), concern.team());
    (question, if scene.random.chance(25) { noted } else { wish })
}

fn haste(scene: &mut Scene) -> Exchange {
    let concern = Concern::draw(scene);
    let message = concern.message(scene);
    let question = ask(
        scene,
        &["How urgent is it?", "How soon is an answer needed?", "Is it urgent?", "Say how urgent this is."],
        &message,
    );
    (question, concern.haste_said(scene))
}

fn wish_and_haste(scene: &mut Scene) -> Exchange {
    let concern = Concern::draw(scene);
    let message = concern.message(scene);
    let question = ask(
        scene,
        &[
            "What does the customer want, and how urgent is it?",
            "Describe this case.",
            "Make a note for the team.",
            "Tell me about this message.",
        ],
        &message,
    );
    let (wish, said) = (concern.wish(scene), concern.haste_said(scene));
    let note = match scene.random.below(3) {
        0 => format!("{} for the {} (urgency: {}).", concern.noun(), scene.product.name, concern.haste_word()),
        1 => format!("The intent of the customer is {}. The urgency is {}.", concern.noun(), concern.haste_word()),
        _ => format!("A customer of the {}, whose intent is {}.", scene.product.name, concern.noun()),
    };
    (question, if scene.random.chance(60) { format!("{wish} {said}") } else { scene.fill(&note) })
}

fn team(scene: &mut Scene) -> Exchange {
    let concern = Concern::draw(scene);
    let message = concern.message(scene);
    let question =
        ask(scene, &["Which team answers this?", "Who should read this?", "To which team does it go?"], &message);
    let team = concern.team();
    // The bare word keeps its small letter, so it is not filled as a sentence.
    let said = [
        format!("The {team} team."),
        format!("It goes to the {team} team."),
        format!("The {team} team (intent: {team})."),
        team.to_owned(),
    ];
    (question, scene.random.element(&said).clone())
}

fn names_as_json(scene: &mut Scene) -> Exchange {
    let message = scene.one_of(&[
        "My name is $name, my order is $order, and I bought the $product.",
        "$name here, order $order, it is about the $item.",
        "Hello, I am $name from $city. I ordered the $item $when, the number is $order.",
        "This is $name. My $item has the order number $order.",
    ]);
    let (name, order, product) = (scene.customer.name(), scene.order.clone(), scene.product.name);
    if scene.random.chance(50) {
        let question =
            ask(scene, &["Write customer and order as JSON.", "JSON with customer and order, please."], &message);
        (question, json!({"customer": name, "order": order}).to_string())
    } else {
        let question =
            ask(scene, &["Write customer and product as JSON.", "JSON with customer and product, please."], &message);
        (question, json!({"customer": name, "product": product}).to_string())
    }
}

fn order_as_json(scene: &mut Scene) -> Exchange {
    let (count, colour) = (scene.random.between(2, 9), scene.fill("$colour").to_lowercase());
    let message = scene.fill(&format!("I would like to order {count} pieces of the $item in {colour}, please."));
    let question = ask(scene, &["Write this order as JSON.", "The order as JSON, please."], &message);
    (question, json!({"colour": colour, "count": count, "item": scene.product.name}).to_string())
}

fn ticket_as_json(scene: &mut Scene) -> Exchange {
    let concern = Concern::draw(scene);
    let message = concern.message(scene);
    match scene.random.below(3) {
        0 => (
            ask(scene, &["Write the team as JSON.", "JSON with the team, please."], &message),
            json!({"team": concern.team()}).to_string(),
        ),
        1 => (
            ask(scene, &["Write the priority as JSON.", "JSON with the priority, please."], &message),
            json!({"priority": concern.haste_word()}).to_string(),
        ),
        _ => (
            ask(scene, &["Write the item as JSON.", "JSON with the item, please."], &message),
            json!({"item": scene.product.name}).to_string(),
        ),
    }
}

fn repeat(scene: &mut Scene) -> Exchange {
    let phrase = match scene.random.below(4) {
        0 => scene.fill("$name and the $adjective $thing"),
        1 => scene.fill("$product, $other"),
        2 => invented_name(scene),
        _ => scene.one_of(&[
            "$small $things for $first",
            "the $colour $noun in the $room",
            "order $order",
            "$city, $day, $n",
        ]),
    };
    (format!("{}: {phrase}", scene.fill("[Repeat|Say|Write again|Copy]")), phrase)
}

/// A name of random syllables: copying it cannot be learnt by heart.
fn invented_name(scene: &mut Scene) -> String {
    let mut name = String::new();
    for _ in 0..scene.random.between(2, 3) {
        name.push_str(
            scene
                .random
                .pick(&["ba", "ko", "lu", "mi", "ne", "ra", "so", "ti", "vu", "wen", "zar", "dol", "fim", "gan"]),
        );
    }
    scene.fill(&format!("{name} [$noun|$thing|$othernoun]"))
}

fn order_number(scene: &mut Scene) -> Exchange {
    let concern = Concern::draw(scene).sentence(scene);
    let hint = scene.one_of(&[
        "My order number is $order.",
        "The order is $order.",
        "Order $order.",
        "I ordered it under $order.",
    ]);
    let message = if scene.random.chance(50) { format!("{concern} {hint}") } else { format!("{hint} {concern}") };
    let question =
        ask(scene, &["What is the order number?", "Find the order number.", "Which order is meant?"], &message);
    (question, scene.one_of(&["$order", "The order number is $order.", "It is order $order."]))
}

fn tone(scene: &mut Scene) -> Exchange {
    let concern = Concern::draw(scene).sentence(scene);
    let (mood, addition) = match scene.random.below(3) {
        0 => (
            "friendly",
            scene.one_of(&["Thank you so much, you are great!", "I love your shop.", "Have a nice day, all of you!"]),
        ),
        1 => (
            "angry",
            scene.one_of(&["This is a shame!", "I am very angry about it!", "I will never buy from you again!"]),
        ),
        _ => ("neutral", scene.one_of(&["I bought it $when.", "The order number is $order.", "I live in $city."])),
    };
    let question = ask(
        scene,
        &["What is the tone?", "Is the tone friendly, angry or neutral?", "How does the customer sound?"],
        &format!("{concern} {addition}"),
    );
    let said = [format!("The tone is {mood}."), format!("The customer sounds {mood}."), mood.to_owned()];
    (question, scene.random.element(&said).clone())
}

fn shorten(scene: &mut Scene) -> Exchange {
    let core = Concern::draw(scene).sentence(scene);
    let around = scene.several(
        &[
            "I hope you are well.",
            "I write to you from $city.",
            "We have known your shop for $few years.",
            "Today $weather here.",
            "My $relative says hello.",
        ],
        2,
    );
    let message = format!("{} {core} {}", around[0], around[1]);
    (ask(scene, &["Make it shorter.", "Shorten this.", "Only the main sentence, please."], &message), core)
}

fn count_words(scene: &mut Scene) -> Exchange {
    let count = scene.random.between(2, 9);
    let words: Vec<String> =
        (0..count).map(|_| scene.fill("[$thing|$colour|$food|$animal|$noun]").to_lowercase()).collect();
    let question = format!("{} {}", scene.fill("[How many words are these?|Count the words:]"), words.join(" "));
    (question, scene.one_of(&[&format!("{count}"), &format!("There are {count} words."), &format!("{count} words.")]))
}

fn other_form(scene: &mut Scene) -> Exchange {
    let words: Vec<String> = (0..3).map(|_| scene.fill("[$thing|$food|$animal|$noun]").to_lowercase()).collect();
    let phrase = words.join(" ");
    let name = scene.customer.name();
    match scene.random.below(5) {
        0 => (format!("Write in capital letters: {phrase}"), phrase.to_uppercase()),
        1 => (format!("Say it backwards: {phrase}"), words.iter().rev().cloned().collect::<Vec<_>>().join(" ")),
        2 => (format!("Put commas between: {phrase}"), words.join(", ")),
        3 => (format!("Last name first: {name}"), format!("{}, {}", scene.customer.last, scene.customer.first)),
        _ => (format!("Put it in quotes: {phrase}"), format!("\"{phrase}\"")),
    }
}

fn calculate(scene: &mut Scene) -> Exchange {
    loop {
        let sum = arithmetic::sum(scene);
        if let Some((question, answer)) = sum.split_once(" = ") {
            return (format!("What is {question}?"), answer.to_owned());
        }
    }
}

fn know(scene: &mut Scene) -> Exchange {
    let (question, answer) = *scene.random.element(&[
        ("What is a refund?", "A refund is money that you get back."),
        ("What is a delivery?", "A delivery is when a parcel is brought to you."),
        ("What is a login?", "A login is the way into your account, with a password."),
        ("What does cancel mean?", "To cancel means to stop an order or a plan."),
        ("What is an invoice?", "An invoice is a bill: it says what you have to pay."),
        ("What is a defect?", "A defect is a fault of a product."),
        ("What is an upgrade?", "An upgrade is a change to a better version."),
        ("What is the urgency of a message?", "It is low, normal or high."),
        ("What is the $product for?", "The $product is made for $purpose."),
        ("What does the $brand have?", "It has $feature."),
        ("What can break?", "The $part of the $noun can break."),
    ]);
    (scene.fill(question), scene.fill(answer))
}
