//! Product manuals, shop pages and reviews.

use super::scene::Scene;

const SHOP_OPENINGS: &[&str] = &[
    "The $product is a $adjective $noun made for $purpose.",
    "Looking for a $noun? The $product is made for $purpose.",
    "Meet the $product, the $noun for $purpose.",
    "Our $noun of the year is the $product.",
    "The $brand is back: the new $product is a $noun for $purpose.",
];
const SHOP_OPENINGS_FORMAL: &[&str] = &[
    "The $product is a $noun designed for $purpose and manufactured to a high standard.",
    "This page describes the technical properties of the $product, a $noun for $purpose.",
    "With the $product we present the successor of our well-known $noun.",
];
const SHOP_LINES: &[&str] = &[
    "It has $feature and $feature.",
    "The $brand comes in $colour and $colour.",
    "The $part and the $part can be replaced without tools.",
    "Customers like $feature most of all.",
    "It costs $price and is delivered in $few days.",
    "If you do not like your $noun, you get your money back within $few weeks.",
    "You can return the $noun within thirty days for a full refund.",
    "The $product is smaller than the $other but has $feature.",
    "There is a Plus version with $feature, and owners of the first $brand can upgrade to it.",
    "An upgrade from the basic plan to the premium plan costs $small euros a month.",
    "The invoice is in the parcel; a copy of the invoice waits in your account.",
    "Delivery is free, and a tracking number is sent as soon as the parcel leaves our depot in $city.",
    "With the $brand app you log in once and see your $noun from everywhere.",
    "You may cancel the order until the parcel is shipped.",
    "The guarantee covers every defect for $few years.",
    "In stock: $n pieces.",
    "It fits well in the $room.",
    "Questions? Our team in $city answers within the usual time.",
];
const MANUAL_TITLES: &[&str] = &[
    "Manual of the $product",
    "$product: first steps",
    "How to use your $product",
    "$product - safety and care",
    "The $noun in $small steps",
];
const MANUAL_STEPS: &[&str] = &[
    "Take the $noun out of the box and remove the $colour tape.",
    "Check that the $part is not damaged.",
    "Put the $noun on a dry table in the $room.",
    "Connect the cable and wait $n seconds.",
    "Press the button on the $part for $small seconds.",
    "Create an account in the $brand app and choose a password.",
    "Log in with your e-mail address and the code that we send.",
    "Choose a language: English, German, French or Spanish.",
    "Clean the $part once a month with a soft cloth.",
    "Store the $noun in a cool place.",
    "Do not open the housing; the guarantee ends if you do.",
    "Charge the battery until the light is $colour.",
    "Fasten the $part with two screws.",
    "Set the timer to $small hours.",
    "Keep the invoice, because it is needed for the guarantee.",
    "Restart the $noun if the light blinks $small times.",
];
const MANUAL_TROUBLES: &[&str] = &[
    "What to do if $fault: switch the $noun off, wait $small minutes and try again.",
    "If $fault, the $part may be broken and has to be repaired.",
    "If $fault, please write to our support team with the order number and a picture of the $part.",
    "When $fault, the $noun is defective and we send a new one.",
    "If you cannot log in to the app, reset your password on the login page.",
    "If the app does not accept your password, your account may be locked for $n minutes.",
    "In an emergency pull the plug immediately and call us at once.",
    "A loose $part is not urgent; write to us whenever it suits you.",
    "If the $noun smells of smoke, act right away: this is urgent.",
];
const REVIEWS: &[&str] = &[
    "I bought the $product $when and use it every day.",
    "My $relative told me about the $brand, and now I have one too.",
    "The $part is [solid|a little loose|well made|smaller than I thought].",
    "After $few weeks $fault, but the shop sent a new $noun.",
    "Sadly $fault, so I sent it back and got a refund.",
    "Delivery took $few days, the parcel came from $city.",
    "I like $feature, but $feature would be better still.",
    "Compared with the $other it is [louder|quieter|cheaper|heavier|lighter].",
    "The login in the app was easy and the code arrived at once.",
    "The invoice had a wrong address, but the support team corrected it [today|in two days|quickly].",
    "I wanted to cancel at first, but I am glad that I kept it.",
    "I had a question about $feature and got a friendly answer.",
    "I give it $small of ten points.",
    "We will upgrade to the Plus model next year.",
    "It stands in our $room and makes no noise.",
    "The colour is $colour, not $colour as in the picture.",
];

/// A shop page.
pub(super) fn shop_page(scene: &mut Scene) -> String {
    let openings = if scene.formal() { SHOP_OPENINGS_FORMAL } else { SHOP_OPENINGS };
    let opening = scene.one_of(openings);
    let count = scene.random.between(3, 9);
    format!("{opening} {}", scene.several(SHOP_LINES, count).join(" "))
}

/// A manual: numbered steps and what to do about faults.
pub(super) fn manual(scene: &mut Scene) -> String {
    let mut text = scene.one_of(MANUAL_TITLES);
    let steps = scene.random.between(3, 8);
    for (at, step) in scene.several(MANUAL_STEPS, steps).into_iter().enumerate() {
        text.push_str(&format!("\n{}. {step}", at + 1));
    }
    let count = scene.random.between(1, 4);
    text.push('\n');
    text.push_str(&scene.several(MANUAL_TROUBLES, count).join(" "));
    text
}

/// A review of a product.
pub(super) fn review(scene: &mut Scene) -> String {
    let count = scene.random.between(4, 9);
    let lines = scene.several(REVIEWS, count).join(" ");
    scene.fill(&format!("[Review of the $product by $first|$product, $small of ten points|$first from $city writes about the $noun]\n{lines}"))
}
