//! Sums in words and figures, counting, and lists.

use super::scene::Scene;

/// A page of sums, each solved.
pub(super) fn sums(scene: &mut Scene) -> String {
    let count = scene.random.between(8, 20);
    let lines: Vec<String> = (0..count).map(|_| sum(scene)).collect();
    format!(
        "{}\n{}",
        scene.one_of(&["Sums for $day", "Exercises", "We count with $first", "Page $n"]),
        lines.join("\n")
    )
}

/// One sum with its result.
pub(super) fn sum(scene: &mut Scene) -> String {
    let (left, right) = (scene.random.between(1, 40), scene.random.between(1, 20));
    match scene.random.below(5) {
        0 | 1 => format!("{left} + {right} = {}", left + right),
        2 => format!("{} - {right} = {left}", left + right),
        3 => format!("{} x {} = {}", left % 10, right, left % 10 * right),
        _ => format!("{left} and {right} make {}", left + right),
    }
}

/// A story problem with its answer.
pub(super) fn problems(scene: &mut Scene) -> String {
    let count = scene.random.between(2, 4);
    let texts: Vec<String> = (0..count).map(|_| problem(scene)).collect();
    texts.join("\n")
}

fn problem(scene: &mut Scene) -> String {
    scene.renew();
    let (left, right) = (scene.random.between(3, 40), scene.random.between(2, 20));
    let (total, difference) = (left + right, left.abs_diff(right));
    match scene.random.below(4) {
        0 => scene.fill(&format!(
            "$first has {left} $things. $agentfirst gives $first {right} more. How many are there now? There are {total}."
        )),
        1 => scene.fill(&format!("A shop has {total} pieces of the $product and sells {right}. {left} pieces are left.")),
        2 => scene.fill(&format!(
            "The $noun costs {left} euros and the $othernoun costs {right} euros. Together they cost {total} euros. The difference is {difference} euros."
        )),
        _ => scene.fill(&format!("The parcel was to arrive in {left} days. It took {right} days longer. So it took {total} days.")),
    }
}

/// A list: shopping, packing, duties, or things in order.
pub(super) fn list(scene: &mut Scene) -> String {
    let title = scene.one_of(&[
        "Shopping list of $first for $day",
        "Things to pack for $city",
        "What is in the $room",
        "To do in $month",
        "Orders of $day",
    ]);
    let count = scene.random.between(10, 18);
    let mut lines: Vec<String> = (0..count)
        .map(|_| {
            scene.one_of(&[
                "- $small $things",
                "- a $colour $thing",
                "- $food and $food",
                "- write to $agentfirst",
                "- $product, $price",
                "- call the $job about the $thing",
                "- send back the $noun",
                "- pay the invoice",
                "- cancel the $place tickets",
                "- ask about the delivery",
                "- order $order: $n $things",
            ])
        })
        .collect();
    lines.sort();
    lines.dedup();
    scene.random.shuffle(&mut lines);
    format!("{title}\n{}", lines.join("\n"))
}
