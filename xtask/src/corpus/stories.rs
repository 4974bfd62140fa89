//! Short stories of daily life: the plain language around everything else.

use super::scene::Scene;

const OPENINGS: &[&str] = &[
    "On a $day in $month $first got up early, and $weather.",
    "$first is a $job and lives in $city with a $animal.",
    "It was $time when $first walked to the $place.",
    "Once there was a $job named $first who owned a $adjective $thing.",
    "In the $room of an old house in $city stood a $colour $thing.",
    "Every $day $first and $agentfirst meet at the $place.",
];
const OPENINGS_FORMAL: &[&str] = &[
    "In $month $year the $job $name moved from $agentcity to $city.",
    "The records of the $place in $city mention a certain $name.",
    "It is reported that $name, a $job, left $city on a $day.",
];
const EVENTS: &[&str] = &[
    "At the $place there was a $adjective $thing that nobody wanted.",
    "$agentfirst had forgotten the $thing at the $place.",
    "They ate $food with $food and talked about the weather.",
    "The $animal ran into the $room and did not come out again.",
    "The phone rang, but nobody was there.",
    "$first bought $small $things and $small $things at the market.",
    "A $colour bird sat on the $thing and looked at them.",
    "\"Can you $verb and $verb at the same time?\" asked $agentfirst.",
    "\"I will $verb first and $verb later,\" said $first.",
    "The train was $n minutes late, and $weather.",
    "A letter from $city came, and in it was a $adjective $thing.",
    "A $adjective $noun stood in the $room, where it was warm and bright.",
    "$first looked for the $product in every room and found it in the $room.",
    "Somebody knocked at the door: it was the courier with a parcel.",
    "In the parcel was a new $product, a present from the $relative.",
    "Their $relative wanted to $verb, but the $thing was too heavy.",
    "So they carried the $thing to the $place together.",
    "After lunch it became $adjective and quiet in the $room.",
    "The $job at the $place smiled and gave them a $colour $thing.",
    "$agentfirst counted the $things: there were $n of them.",
    "For a while they did not say a word.",
    "The key was under the $colour $thing all the time.",
    "\"Take your time,\" said the $relative, \"there is no hurry.\"",
    "\"Come right now,\" called $agentfirst, \"it is urgent!\"",
    "$first asked for the way to the $place, and an old $job showed it.",
    "The water in the kettle boiled, and the tea was ready.",
    "They turned on the lamp and read until late.",
    "He had broken the $thing, so he repaired it with glue.",
    "She wanted her money back, but the shop was closed.",
];
const ENDINGS: &[&str] = &[
    "In the evening everybody was tired and happy.",
    "At $time they went home.",
    "$first will remember that $day for a long time.",
    "The next morning the $animal was back.",
    "And that is how the $thing came to $city.",
    "Then they locked the door and went to sleep.",
    "\"Tomorrow we do it again,\" said $agentfirst.",
];

/// A story.
pub(super) fn story(scene: &mut Scene) -> String {
    let openings = if scene.formal() { OPENINGS_FORMAL } else { OPENINGS };
    let mut sentences = vec![scene.one_of(openings)];
    let count = scene.random.between(3, 10);
    sentences.extend(scene.several(EVENTS, count));
    let ending = scene.one_of(ENDINGS);
    sentences.push(ending);
    sentences.join(" ")
}

/// A diary page, hour by hour.
pub(super) fn diary(scene: &mut Scene) -> String {
    let mut text = scene.fill("Diary of $first, $day, $n $month");
    let mut hour = 7;
    while hour < 22 {
        let line = scene.one_of(&[
            "[breakfast|lunch|dinner]: $food and $food",
            "walked to the $place, $weather",
            "wrote a letter to $agentfirst about the $noun",
            "called the support team, because $fault",
            "the parcel with the $product arrived",
            "sent the $noun back and asked for a refund",
            "paid the invoice of $price",
            "could not log in, so I set a new password",
            "read $n pages of a $adjective book",
            "cleaned the $room",
            "waited for the $relative at the $place",
            "cancelled the meeting with $agentfirst",
        ]);
        text.push_str(&format!("\n{hour}:00 {line}"));
        hour += scene.random.between(1, 4);
    }
    text
}
