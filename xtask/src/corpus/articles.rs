//! Help-centre articles: what refunds, deliveries, logins, invoices, defects and upgrades are, and how urgent things are said.

use super::scene::Scene;

/// A subject, its titles, and the sentences that may stand under it.
type Subject = (&'static [&'static str], &'static [&'static str]);

const SUBJECTS: &[Subject] = &[
    (
        &["What is a refund?", "How refunds work", "Getting your money back"],
        &[
            "A refund means that you get your money back.",
            "Customers ask for a refund when they return a product or paid twice.",
            "A refund for the $product takes $few days after we receive the parcel.",
            "The money goes back to the card or the bank account that was used for the payment.",
            "You need the order number, for example $order, but no reason.",
            "If you only want to stop an order that is not shipped, cancel it instead; no refund is needed then.",
            "We refund the full price of $price, and the delivery fee as well.",
            "Whoever writes that they want their money back wants a refund.",
        ],
    ),
    (
        &["All about delivery", "Where is my parcel?", "How your order is delivered"],
        &[
            "A delivery takes $few days, and a parcel to $city one day longer.",
            "The tracking number tells you where the parcel with your $noun is.",
            "If the courier does not find you, the parcel goes to a neighbour or back to the depot.",
            "A delivery is late when the promised date has passed.",
            "You can change the delivery address until the parcel is shipped.",
            "When the tracking page says delivered but the $product is not there, write to us.",
            "Questions about a lost parcel go to the delivery team.",
            "Heavy products such as the $product are delivered by two drivers.",
        ],
    ),
    (
        &["Logging in to your account", "Login and password", "When the login fails"],
        &[
            "You log in with your e-mail address and your password.",
            "A login fails when the password is wrong or the account is locked.",
            "After $few wrong passwords the account is locked for $n minutes.",
            "To reset the password, open the login page and press the button under the field.",
            "The code for the $brand app is sent by mail and is valid for $n minutes.",
            "Never tell anyone your password, not even us.",
            "If you are logged out after an update, sign in once more.",
            "Login problems with the $product are handled by the login team.",
        ],
    ),
    (
        &["How to cancel", "Cancelling an order or a plan", "Ending your subscription"],
        &[
            "To cancel means to stop an order or a subscription.",
            "You can cancel an order of the $product until it is shipped.",
            "A monthly plan ends on the last day of the month in which you cancel it.",
            "Write that you want to cancel, and name the order number.",
            "We confirm every cancellation within $small hours.",
            "If the parcel is already on its way, send the $noun back and ask for a refund.",
            "A contract for one year can be cancelled in $month.",
            "Nobody has to say why they cancel.",
        ],
    ),
    (
        &["Your invoice", "Invoices and bills", "Questions about an invoice"],
        &[
            "An invoice is a paper that says what was bought, by whom, and for how much.",
            "Another word for invoice is bill.",
            "The invoice shows the billing address, the tax rate and the amount.",
            "You find the invoice for your $product in your account under orders.",
            "If the company name on the invoice is wrong, we correct it.",
            "Companies need an invoice for their tax return.",
            "We send a copy of the invoice as a file whenever you ask.",
            "The invoice for order $order has the date of the delivery.",
        ],
    ),
    (
        &["What counts as a defect?", "My product is broken", "Defects and repairs"],
        &[
            "A defect is a fault that makes a product useless or worse than promised.",
            "It is a defect of the $product when $fault.",
            "A broken $part is a defect as well.",
            "Defective products are repaired or replaced for free during the guarantee.",
            "Tell us what happens, for example: $fault.",
            "A scratch that was there from the start is a defect, a scratch made later is not.",
            "Faulty, broken and defective mean nearly the same.",
            "We test every $noun before it leaves our workshop in $city.",
        ],
    ),
    (
        &["Upgrading your product", "Upgrade to Plus or Pro", "What an upgrade brings"],
        &[
            "An upgrade gives you a better version, a larger model or a bigger plan.",
            "The basic plan can be upgraded to the family plan or the premium plan.",
            "The $product Plus has $feature in addition.",
            "If you trade in your old $noun, the new model costs $price.",
            "An upgrade starts at once and is paid on the next bill.",
            "Pro users have more storage, more users and more functions.",
            "To upgrade your $brand account, choose the plan in the app.",
            "You may switch back from premium to basic after $few months.",
        ],
    ),
    (
        &["Questions and answers", "Frequent questions about the $product", "Ask us anything"],
        &[
            "Can the $noun be used outdoors? Yes, but not in the rain.",
            "How heavy is the $product? It weighs $small kilos.",
            "Which colours are there? The $noun comes in $colour and $colour.",
            "How long does the battery last? About $n hours.",
            "Is there a manual in other languages? Yes, in French, German and Spanish.",
            "How do I clean the $part? With a soft cloth.",
            "Does it have $feature? Yes.",
            "A question that is not about an order, an account or a fault goes to the question team.",
        ],
    ),
    (
        &["How we sort messages", "What is urgent?", "How soon we answer"],
        &[
            "A message is urgent when the customer needs help today, at once or immediately.",
            "Words such as urgent, right now, right away and as soon as possible show a high urgency.",
            "An emergency always has the highest priority.",
            "When a customer says that there is no hurry or no rush, the urgency is low.",
            "Take your time, whenever it suits you, it can wait: all this means low urgency.",
            "A message with none of these words has normal urgency and is answered within the usual time.",
            "High urgency is answered within the hour, normal urgency in two days, low urgency in the next weeks.",
            "Even a polite message can be urgent, and an angry one can wait.",
            "First find the intent, then the product, then the urgency.",
            "The intent is what the customer wants: a refund, a delivery, a login, a cancellation, an invoice, a defect, an upgrade or a question.",
            "If the $item is broken, the intent is a defect; if the money is to come back, the intent is a refund.",
            "The intent and the urgency do not depend on each other.",
        ],
    ),
    (
        &["What our products are called", "Names in our shop"],
        &[
            "When a customer writes about the $noun, they mean the $product.",
            "The $brand is the short name of the $product.",
            "The full name of the $noun is $product.",
            "The $othernoun is called $other.",
            "Some write $brand, some write $noun, and all mean the $product.",
            "The $product is made for $purpose.",
            "If somebody says that $otherfault, it is about the $other.",
            "If somebody says that $fault, it is about the $product.",
        ],
    ),
];

const FORMAL_ENDINGS: &[&str] = &[
    "This article was last revised in $month $year.",
    "The terms and conditions of our company apply.",
    "For further information, please contact the department in $city.",
    "The provisions above apply to private and commercial customers alike.",
    "Employees are requested to follow this guideline without exception.",
];

/// An article on one or two subjects.
pub(super) fn article(scene: &mut Scene) -> String {
    let mut parts = Vec::new();
    for _ in 0..scene.random.between(1, 2) {
        let (titles, sentences) = *scene.random.element(SUBJECTS);
        let count = scene.random.between(4, 7);
        let body = scene.several(sentences, count).join(" ");
        parts.push(format!("{}\n{body}", scene.one_of(titles)));
    }
    if scene.formal() {
        parts.push(scene.one_of(FORMAL_ENDINGS));
    }
    parts.join("\n")
}
