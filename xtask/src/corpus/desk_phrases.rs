//! What customers of the support desk write: templates by intent and urgency, and what surrounds them.
//!
//! `$item` names the product, `{EMAIL}` and the like stand for personal data until a record is finished.
//! No phrase here may use a word that marks an urgency (`CUES_HIGH`, `CUES_LOW`) but the urgency's own lists.

/// Sentences that carry the intent, in the order of `Intent::ALL`.
pub(super) const ASKS: [&[&str]; 8] = [REFUND, DELIVERY, LOGIN, CANCEL, INVOICE, DEFECT, UPGRADE, QUESTION];

const REFUND: &[&str] = &[
    "I [would like|want] [my money back|a refund|a full refund] for the $item [I bought $when|that I ordered|from your shop].",
    "Please [refund|pay back] the price of my $item, [it is not what I expected|I sent it back $when|I have already returned it].",
    "I returned the $item $when and [still have not received|am still waiting for] [my refund|the money].",
    "[Can|Could] you [refund me|give me my money back] for the $item? [It does not suit us|My family does not like it|It is too [big|small|loud|heavy] for us].",
    "My $item [broke|stopped working] after $few [days|weeks], so I am asking for [a refund|my money back].",
    "You charged me twice for the $item, please [return|refund|pay back] the [second|extra] payment.",
    "How do I get my money back for the $item that I [gave back|returned] $when?",
    "I am not happy with my $item and [want|would like] [the purchase price back|to be refunded|a refund].",
    "The refund for my $item has [not arrived|never been paid], although [your colleague promised it|the return was confirmed].",
    "I sent my $item back $when, but the money is [not on my account|still missing].",
    "According to the guarantee I can return the $item and get [my money back|a full refund].",
];

const DELIVERY: &[&str] = &[
    "My $item has [still|] not [arrived|been delivered], although [it was promised for $day|you shipped it $when].",
    "Where is my $item? [The tracking page|The parcel service] [shows nothing|says it is in $city].",
    "The [parcel|package|box] with the $item [is lost|never came|has been stuck in $city since $day].",
    "When will my $item [be delivered|arrive|be shipped]? I ordered it $when.",
    "The courier [left|delivered] my $item [at the wrong house|to a neighbour I do not know|to the wrong address].",
    "Please [ship|deliver] my $item to [a different|another|my new] address, [I have moved|I am away].",
    "The tracking [number|link] for the $item does not work.",
    "I have been waiting for the $item [for $few weeks|since $day], [the delivery date has passed|but no parcel came].",
    "The driver [did not ring|did not stop] and took the $item back to the depot.",
    "Your shop said the $item was [shipped|sent out] $when, but the parcel [is not here|has not come].",
    "[Can|Could] you tell me the delivery date of the $item [I ordered $when|in my order]?",
];

const LOGIN: &[&str] = &[
    "I cannot [log in|sign in] [to the app|on the website] of my $item.",
    "The $item app [rejects|does not accept] my password [since the update|since $day].",
    "I forgot the password for my $item account and [the reset mail never comes|the reset link has expired].",
    "My account for the $item [is locked|was blocked] after [three|several] wrong [passwords|attempts].",
    "The login code for the $item app does not [arrive|work].",
    "After the update I was [logged out|signed out] of the $item app and cannot get back in.",
    "Someone changed the password of my $item account, [I cannot get in|please unlock it].",
    "The login page of the $item [app|account] says that my [user name|password|address] is unknown.",
    "Every time I [log in|sign in] to the $item app it [shows an error|asks for the password again].",
    "Please [reset my password|unlock my account] for the $item, I [tried it $few times|cannot log in].",
];

const CANCEL: &[&str] = &[
    "I [want|would like] to cancel [my order for|the order of] the $item.",
    "Please cancel my $item [order|subscription|plan|contract], [I have changed my mind|I ordered it by mistake|I no longer need it].",
    "I [wish|want] to [end|terminate|stop] [the|my] [monthly plan|subscription|contract] for the $item.",
    "Is it [still|] possible to cancel the $item that I ordered $when?",
    "I ordered the $item twice by mistake, please cancel [one order|the second order].",
    "Please do not [ship|send] the $item, I [am cancelling|want to cancel] the order.",
    "My $item [plan|subscription] should [end|stop] [this month|at the end of the month], [please confirm the cancellation|I hereby cancel it].",
    "I [found|got] [the same thing elsewhere|another one as a present], so please cancel my order of the $item.",
    "[Can|Could] you stop my order of the $item? I [do not need it|cannot use it] any more.",
    "I clicked on the cancel button for the $item, but [the order is still open|nothing happened], please cancel it for me.",
];

const INVOICE: &[&str] = &[
    "Please send me [the|an] invoice for the $item [again|as a file|by mail].",
    "I [need|require] [an invoice|a copy of the invoice] for the $item [for my tax return|for our accounts|for my employer].",
    "The invoice for my $item [shows|has] [the wrong address|the wrong amount|the wrong company name|no tax number].",
    "There was no invoice in the [parcel|box] with the $item.",
    "[Can|Could] you correct the [billing address|tax rate|company name] on the invoice for the $item?",
    "The $item invoice [lists|shows] [two pieces|an extra fee], but I bought only one.",
    "I cannot [find|open|download] the invoice of my $item.",
    "The bill for the $item [is higher than the price in the shop|does not match the order], please [check|correct] it.",
    "Our accounts department asks for a [new|corrected] invoice for the $item.",
    "On the invoice of the $item the [tax|company name|billing address] is [missing|wrong].",
];

const DEFECT: &[&str] = &[
    "My $item is [broken|defective|faulty]: $fault.",
    "My $item [stopped working|broke] $when, now $fault.",
    "There is something wrong with my $item: $fault.",
    "The $item [arrived|came] with a [crack|broken part|damaged $part].",
    "The $part of my $item is [broken|loose|damaged|cracked].",
    "My $item is only $few weeks old and [already|] $fault.",
    "After $few weeks my $item [no longer works|does not turn on|makes strange noises].",
    "I think my $item has a fault, because $fault.",
    "Since $day my $item is [broken|defective], $fault.",
    "Please repair my $item, [the $part is broken|$fault].",
];

const UPGRADE: &[&str] = &[
    "I [want|would like] to upgrade my $item [account|plan|] to the [Plus|Pro|premium] version.",
    "How [can I upgrade|do I upgrade] my $item to the [Pro|Plus|premium] [version|plan|model]?",
    "I would like to [move|change|switch] from the basic plan to the [premium|family|Plus] plan for my $item.",
    "Is there [a discount|an offer] if I trade in my old $item for the [new|larger] model?",
    "Please upgrade my $item [account|plan|subscription] to [Plus|Pro|premium].",
    "I [own|have] the first $item and want the [newer|bigger|larger|better] model.",
    "We need more [storage|users|functions] for our $item, which bigger plan [do you recommend|can we book]?",
    "What does the upgrade [of|for] my $item to the [Pro|Plus|premium] [model|version] cost?",
    "I saw the [Plus|Pro|premium] version of the $item and want to [upgrade|switch to it].",
    "[Can|Could] you move my $item account to the [bigger|premium|family] plan?",
];

const QUESTION: &[&str] = &[
    "Can the $item be used [outdoors|in the rain|with a timer|abroad|by children]?",
    "How [do I|can I|should I] [clean|store|set up|move] the $item [safely|correctly|]?",
    "Does the $item [work with|support] [older phones|solar power|voice control|rechargeable batteries]?",
    "I have a question about the $item: [how long does the battery last|which cable fits|how heavy is it|how much power does it use]?",
    "Which [sizes|colours|materials] does the $item come in?",
    "Could you tell me [how loud the $item is|how long the guarantee for the $item is|what the $item weighs]?",
    "Is there a manual for the $item in [French|German|English|Spanish]?",
    "I would like to know if the $item [is made in Europe|needs the internet|can be used by two people].",
    "What is the best way to [clean|store|set up] my $item?",
    "I am thinking about buying the $item, [is it easy to use|does it fit in a small flat|is it good for beginners]?",
];

/// Sentences that make a message high; every expansion contains one of `CUES_HIGH`.
pub(super) const HIGH: &[&str] = &[
    "This is [very|really|] urgent.",
    "I need [this|an answer|help] [today|right now|immediately|at once].",
    "Please [act|reply|answer|help] [immediately|as soon as possible|right away|at once].",
    "It cannot wait [until tomorrow|any longer|another day].",
    "Every hour counts for [me|us].",
    "Please treat this [with the highest priority|as an emergency].",
    "I must have [this solved|a solution] [within the hour|by tonight|before tomorrow morning].",
    "The matter is [very|extremely|] urgent, so please [call|answer] [today|right away].",
];

/// Sentences that make a message low; every expansion contains one of `CUES_LOW`.
pub(super) const LOW: &[&str] = &[
    "There is no [hurry|rush] [at all|].",
    "Please take your time.",
    "Please answer whenever [it suits you|you have a free moment|you find the time].",
    "[It|This] can [easily|happily] wait [a few weeks|until next month|as long as you like].",
    "I am [really|] in no hurry.",
    "It has a low priority for [me|us].",
    "Any time next month is fine [with me|for us].",
    "No rush, [I can wait|a late answer is fine].",
];

/// Sentences that say a message is neither; many normal messages have none of them.
pub(super) const NORMAL: &[&str] = &[
    "Please [answer|reply] [within the usual time|in the next few days|this week].",
    "[An answer|A reply] in the next few days would be [fine|good].",
    "The usual waiting time is fine.",
    "I would be glad of an answer in two or three days.",
    "Please handle this in the normal way.",
];

/// What marks a high urgency, in lower case.
#[cfg(test)]
pub(super) const CUES_HIGH: &[&str] = &[
    "urgent",
    "today",
    "right now",
    "immediately",
    "at once",
    "as soon as possible",
    "right away",
    "cannot wait",
    "every hour counts",
    "highest priority",
    "emergency",
    "within the hour",
    "by tonight",
    "before tomorrow morning",
];

/// What marks a low urgency, in lower case.
#[cfg(test)]
pub(super) const CUES_LOW: &[&str] =
    &["no hurry", "no rush", "take your time", "whenever", "easily wait", "happily wait", "low priority", "next month"];

pub(super) const GREETINGS: &[&str] = &[
    "Hello,",
    "Hi,",
    "Good morning,",
    "Good evening,",
    "Dear team,",
    "Dear support team,",
    "Hello everyone,",
    "Dear Sir or Madam,",
    "Hi there,",
    "",
    "",
    "",
    "Hello, my name is {NAME}.",
    "Good day, this is {NAME} from {CITY}.",
    "Hi, {NAME} here.",
];

/// Sentences around the matter that fit every intent.
pub(super) const CONTEXT: &[&str] = &[
    "I bought it $when in your [shop|store] in {CITY}.",
    "My order number is {ORDER}.",
    "The order number is {ORDER}.",
    "I have been a customer for $few years.",
    "I [called|wrote to you] $when but nobody answered.",
    "We use it [every day|at work|at the weekend|in the [kitchen|office|garden]].",
    "It was a present for my [brother|sister|mother|father|daughter|son].",
    "[Your colleague|Someone] on the phone [could not help me|told me to write to you].",
    "I could not find anything about it [on your website|in the manual|in the help pages].",
    "My customer number is {ORDER}.",
    "I like your shop [very much|a lot], [by the way|otherwise].",
    "It is the [first|second|third] time that I write [to you|about this].",
];

/// Sentences with personal data, which no label depends on.
pub(super) const CONTACTS: &[&str] = &[
    "My [email|e-mail] [address|] is {EMAIL}.",
    "You can [reach|write to] me at {EMAIL}.",
    "Please [answer|write] to {EMAIL}.",
    "You can call me [at|on] {PHONE}.",
    "My [phone|telephone] number is {PHONE}.",
    "My [number|mobile] is {PHONE} and my mail is {EMAIL}.",
    "My bank account is {IBAN}.",
    "My IBAN is {IBAN}, if you need it.",
    "I paid with my card {CARD}.",
    "The card I used is {CARD}.",
    "My account was last used from {IP}.",
    "My address on the network is {IP}.",
];

pub(super) const CLOSINGS: &[&str] = &[
    "Thank you!",
    "Thanks, {NAME}",
    "Best regards, {NAME}",
    "Kind regards, {NAME}",
    "Thanks in advance.",
    "Many thanks, {FIRST}",
    "Regards, {NAME}, {PHONE}",
    "Yours sincerely, {NAME}, {EMAIL}",
    "",
    "",
    "",
    "",
];
