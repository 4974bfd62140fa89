//! What customers write: letters and forum posts in free prose, and single messages for the dialogues.
//!
//! The sentences differ from the support desk's, the words overlap with it.

use super::scene::Scene;

/// What customers want, in the order of `MATTERS`.
pub(super) const MATTER_COUNT: usize = 8;

/// Sentences of customers by matter: refund, delivery, login, cancel, invoice, defect, upgrade, question.
const MATTERS: [&[&str]; MATTER_COUNT] = [
    &[
        "I [sent back|returned] the $item and [ask for|wait for] [a refund|my money back].",
        "The $item is not for me, so [please give me my money back|I would like a refund].",
        "My money for the $item has not come back [yet|so far].",
        "[When|How] will you refund the $price for my $item?",
        "You took $price twice for the $item; [please return one payment|I want the second payment back].",
        "I want to return the $item and get the full price back.",
        "The $item was a mistake, please refund it.",
    ],
    &[
        "The parcel with my $item has not arrived[| yet].",
        "Where is the $item that I [paid|ordered] $when?",
        "$service [lost|forgot] my $item, and the tracking page is empty.",
        "I wait for the delivery of my $item since $day.",
        "The $item was delivered to the wrong [house|street|person].",
        "When does my $item arrive in $city? The delivery is late.",
        "Please deliver the $item to my new address in $city.",
    ],
    &[
        "I cannot get into my $item account, the password is [wrong|rejected].",
        "The $item app does not let me log in[| any more].",
        "I lost my password for the $item, please reset it.",
        "The login of my $item app shows only an error.",
        "My $item account is locked and [the code does not come|I am logged out].",
        "How can I log in to the $item app on a new phone?",
        "The code for the login to my $item never reaches me.",
    ],
    &[
        "I do not want the $item any more, please cancel my order.",
        "Please cancel the contract for my $item.",
        "Cancel my $item, I ordered the wrong one.",
        "I would like to stop my subscription for the $item.",
        "Can I still cancel the $item? It is not shipped yet.",
        "I am cancelling the $item plan [this month|now].",
        "My order of the $item was a mistake, so [cancel it please|please do not send it].",
    ],
    &[
        "I have no invoice for my $item.",
        "The invoice of the $item has a mistake: [the address|the tax|the amount|the name] is wrong.",
        "Could I have the invoice for the $item as a file?",
        "My company needs a bill for the $item.",
        "Please correct the amount on the invoice of my $item.",
        "I want a copy of the invoice for the $item, the old one is lost.",
        "The $item bill says $price, but I paid less.",
    ],
    &[
        "My $item does not work: $fault.",
        "The $part of the $item is broken.",
        "Something is wrong, $fault, and the $item is new.",
        "My $item is defective; $fault.",
        "The $item has a crack in the $part.",
        "Since $day $fault, I think the $item is faulty.",
        "The $item broke after $few weeks, please repair it.",
    ],
    &[
        "I would like a bigger $item, how do I upgrade?",
        "Please move my $item to the premium plan.",
        "Can I trade my $item for the Pro model?",
        "What does the Plus version of the $item cost more than mine?",
        "I want to upgrade the basic plan of my $item.",
        "My $item is too small for us, we want the larger model.",
        "Is an upgrade of the $item to the new version possible?",
    ],
    &[
        "How do I clean the $part of my $item?",
        "Can I use the $item in the $room?",
        "What does the $item weigh, and how large is it?",
        "Which colours are there of the $item?",
        "Does the $item have $feature?",
        "I wonder how long the battery of the $item lasts.",
        "Is the $item good for $purpose?",
    ],
];

/// What an agent says the customer wants, by matter.
const WISHES: [&[&str]; MATTER_COUNT] = [
    &["The customer wants their money back for the $product.", "The customer wants a refund for the $product."],
    &[
        "The customer is waiting for the delivery of the $product.",
        "The customer asks about the delivery of the $product.",
    ],
    &[
        "The customer cannot log in to the account of the $product.",
        "The customer has a login problem with the $product.",
    ],
    &["The customer wants to cancel the $product.", "The customer wants to cancel the order of the $product."],
    &[
        "The customer needs an invoice for the $product.",
        "The customer has a problem with the invoice of the $product.",
    ],
    &["The customer reports a defect of the $product.", "The customer has a broken $product with a defect."],
    &["The customer wants an upgrade of the $product.", "The customer wants to upgrade the $product."],
    &["The customer has a question about the $product.", "The customer asks a question about the $product."],
];

/// The name of a matter as a noun phrase.
const NOUNS: [&str; MATTER_COUNT] =
    ["a refund", "a delivery", "a login", "a cancellation", "an invoice", "a defect", "an upgrade", "a question"];

/// The team that handles a matter.
const TEAMS: [&str; MATTER_COUNT] =
    ["refund", "delivery", "login", "cancel", "invoice", "defect", "upgrade", "question"];

/// Sentences on how soon an answer is needed: low, normal, high.
const HASTE: [&[&str]; 3] = [
    &[
        "There is no rush.",
        "Take your time.",
        "I am not in a hurry.",
        "No hurry at all.",
        "Answer whenever you like.",
        "It can wait until next month.",
        "This has a low priority.",
        "Whenever it suits you.",
        "I can easily wait.",
    ],
    &[
        "An answer this week is fine.",
        "Please reply in the next few days.",
        "The usual time is fine.",
        "Please answer in the normal way.",
        "A reply in two or three days would be good.",
    ],
    &[
        "It is urgent.",
        "Please help immediately.",
        "I need it today.",
        "Please reply as soon as possible.",
        "I need help right now.",
        "This cannot wait.",
        "Answer at once, please.",
        "It is an emergency.",
        "This has the highest priority.",
        "Please act right away.",
        "I need it by tonight.",
    ],
];

/// What an agent says about the haste: low, normal, high.
const HASTE_SAID: [&[&str]; 3] = [
    &[
        "The urgency is low.",
        "Later (urgency: low).",
        "There is no hurry: the urgency is low.",
        "It is not urgent, so the priority is low.",
    ],
    &[
        "The urgency is normal.",
        "In the usual time (urgency: normal).",
        "The usual time is fine: the urgency is normal.",
        "It is a normal case.",
    ],
    &[
        "The urgency is high.",
        "At once (urgency: high).",
        "The customer needs help at once: the urgency is high.",
        "It is urgent, so the priority is high.",
    ],
];

const OPENINGS: &[&str] = &[
    "Dear team,",
    "Hello,",
    "Good morning,",
    "Hi everyone,",
    "To whom it may concern,",
    "Dear Ms $agentlast,",
    "Hello from $city,",
    "Dear $agentfirst,",
];
const OPENINGS_FORMAL: &[&str] = &[
    "Dear Sir or Madam,",
    "To the customer service department,",
    "Dear Mr $agentlast,",
    "For the attention of $agent:",
];
const BACKGROUND: &[&str] = &[
    "I bought it $when for $price.",
    "The order number is $order.",
    "My $relative uses it in the $room.",
    "We live in $city and have been customers for $few years.",
    "I wrote to you $when, and nobody answered.",
    "On $day I called and spoke with $agent, who was very kind.",
    "I have read the manual twice.",
    "It has $feature, which I like.",
    "My $other works well, by the way.",
    "You can write to $email.",
    "My telephone number is $phone.",
    "I paid with the card $card.",
    "My bank account is $iban.",
    "Please write to {EMAIL}.",
    "My phone number is {PHONE} and my name is {NAME}.",
    "I paid from {IBAN} and my card is {CARD}.",
];
const CLOSINGS: &[&str] = &[
    "Best regards, $name",
    "Thank you, $first",
    "Yours sincerely, $name",
    "Thanks and greetings from $city",
    "Kind regards, $name, $phone",
    "Many thanks!",
];

const POSTS: &[&str] = &[
    "Has anyone else seen this with the $product?",
    "I have the same $noun, and $fault too.",
    "With me it was the $part, a new one solved it.",
    "You can get your money back, I had a refund after $few days.",
    "Write to the support team, they answer within the usual time.",
    "My parcel was lost for a week, then the delivery came after all.",
    "Reset the password, then the login works again.",
    "I had to cancel my order twice before it was really cancelled.",
    "The invoice is under orders in your account, there is a button for it.",
    "I made the upgrade to the premium plan and I am happy with it.",
    "Does the upgrade cost anything?",
    "If it is urgent, call them, a letter takes too long.",
    "No rush on my side, I just wonder.",
    "I would return it right away and buy the $other.",
    "Thank you, that helped me a lot.",
    "Which version of the app do you have?",
    "That question comes up every $day.",
    "It is a known defect of the first $brand.",
];

/// A matter and a haste, drawn for one message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Concern {
    matter: usize,
    haste: usize,
}

impl Concern {
    /// Draws what a customer wants, and how soon.
    pub(super) fn draw(scene: &mut Scene) -> Self {
        Self { matter: scene.random.below(MATTER_COUNT), haste: scene.random.below(3) }
    }

    /// The message of a customer.
    pub(super) fn message(self, scene: &mut Scene) -> String {
        let mut sentences = vec![scene.one_of(MATTERS[self.matter])];
        if scene.random.chance(50) {
            let background = scene.one_of(BACKGROUND);
            sentences.push(background);
        }
        if self.haste != 1 || scene.random.chance(50) {
            let haste = scene.one_of(HASTE[self.haste]);
            let at = scene.random.below(sentences.len() + 1);
            sentences.insert(at, haste);
        }
        if scene.random.chance(40) {
            let opening = scene.one_of(OPENINGS);
            sentences.insert(0, opening);
        }
        if scene.random.chance(40) {
            let closing = scene.one_of(CLOSINGS);
            sentences.push(closing);
        }
        sentences.join(" ")
    }

    /// One sentence of the customer, with nothing around it.
    pub(super) fn sentence(self, scene: &mut Scene) -> String {
        scene.one_of(MATTERS[self.matter])
    }

    /// What the customer wants, in a sentence.
    pub(super) fn wish(self, scene: &mut Scene) -> String {
        scene.one_of(WISHES[self.matter])
    }

    /// What the matter is called.
    pub(super) fn noun(self) -> &'static str {
        NOUNS[self.matter]
    }

    /// Which team handles it.
    pub(super) fn team(self) -> &'static str {
        TEAMS[self.matter]
    }

    /// How soon an answer is needed, in a sentence.
    pub(super) fn haste_said(self, scene: &mut Scene) -> String {
        scene.one_of(HASTE_SAID[self.haste])
    }

    /// How soon, in one word.
    pub(super) fn haste_word(self) -> &'static str {
        ["low", "normal", "high"][self.haste]
    }
}

/// A letter of a customer.
pub(super) fn letter(scene: &mut Scene) -> String {
    let openings = if scene.formal() { OPENINGS_FORMAL } else { OPENINGS };
    let concern = Concern::draw(scene);
    let mut sentences = scene.several(MATTERS[concern.matter], 2);
    let count = scene.random.between(2, 5);
    sentences.extend(scene.several(BACKGROUND, count));
    let haste = scene.one_of(HASTE[concern.haste]);
    sentences.push(haste);
    format!("{}\n{}\n{}", scene.one_of(openings), sentences.join(" "), scene.one_of(CLOSINGS))
}

/// A thread of a forum: a question and some answers.
pub(super) fn thread(scene: &mut Scene) -> String {
    let concern = Concern::draw(scene);
    let title = scene.fill("[Problem with the $product|$product: what now?|My $noun and I|Help with the $brand]");
    let question = concern.sentence(scene);
    let mut text = format!("{title}\n{}: {question}", scene.customer.first);
    let answers = scene.random.between(2, 6);
    for answer in scene.several(POSTS, answers) {
        let line = scene.fill(&format!("\n[$agentfirst|$first|A neighbour|A guest|The support team]: {answer}"));
        text.push('\n');
        text.push_str(&line);
    }
    text
}
