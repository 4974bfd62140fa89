//! Invented people with realistic personal data: names, e-mail addresses, telephone numbers, bank accounts, cards.
//!
//! Addresses use reserved domains, telephone numbers the ranges kept for films and books where a country has them,
//! cards the prefixes of published test numbers, and IP addresses the documentation ranges: nobody is reached by them.

use super::random::Random;

/// Where a person lives, which decides names and formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Country {
    /// Germany.
    Germany,
    /// France.
    France,
    /// The United Kingdom.
    Britain,
    /// The United States.
    America,
}

impl Country {
    /// Every country.
    pub(crate) const ALL: [Country; 4] = [Country::Germany, Country::France, Country::Britain, Country::America];
}

/// One invented person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// First name.
    pub(crate) first: &'static str,
    /// Last name.
    pub(crate) last: &'static str,
    /// A city of the country.
    pub(crate) city: &'static str,
    country: Country,
}

const GERMAN: (&[&str], &[&str], &[&str]) = (
    &[
        "Anna", "Jonas", "Lena", "Markus", "Sabine", "Felix", "Katrin", "Tobias", "Heike", "Moritz", "Petra", "Uwe",
        "Clara", "Stefan",
    ],
    &[
        "Keller", "Brandt", "Vogel", "Hartmann", "Lorenz", "Winkler", "Seidel", "Krause", "Pohl", "Engel", "Franke",
        "Albrecht",
    ],
    &["Berlin", "Hamburg", "Munich", "Leipzig", "Bremen", "Cologne", "Dresden"],
);
const FRENCH: (&[&str], &[&str], &[&str]) = (
    &[
        "Claire", "Julien", "Sophie", "Antoine", "Camille", "Luc", "Manon", "Pierre", "Elodie", "Hugo", "Nadia",
        "Olivier",
    ],
    &["Moreau", "Girard", "Lambert", "Fontaine", "Rousseau", "Chevalier", "Marchand", "Perrin", "Blanc", "Gautier"],
    &["Lyon", "Paris", "Nantes", "Lille", "Toulouse", "Rennes"],
);
const BRITISH: (&[&str], &[&str], &[&str]) = (
    &["Oliver", "Emily", "Harry", "Poppy", "George", "Imogen", "Callum", "Fiona", "Rhys", "Beth"],
    &["Ashworth", "Barlow", "Hughes", "Fletcher", "Pemberton", "Doyle", "Sinclair", "Whitfield"],
    &["Leeds", "Bristol", "Cardiff", "Glasgow", "York", "Norwich"],
);
const AMERICAN: (&[&str], &[&str], &[&str]) = (
    &[
        "Mary", "James", "Linda", "Robert", "Ashley", "Kevin", "Denise", "Marcus", "Tina", "Walter", "Grace", "Diego",
        "Naomi", "Carl",
    ],
    &[
        "Johnson", "Miller", "Ramirez", "Carter", "Nguyen", "Foster", "Bennett", "Hayes", "Coleman", "Rivera",
        "Brooks", "Price",
    ],
    &["Denver", "Austin", "Portland", "Chicago", "Boston", "Tampa", "Seattle"],
);

const DOMAINS: &[&str] = &[
    "example.com",
    "example.org",
    "example.net",
    "mailbox.example",
    "post.example",
    "fastmail.example",
    "web.example.org",
    "kontor.example",
];

/// Prefixes of card numbers that payment providers publish for tests, with the length of the whole number.
const TEST_CARDS: &[(&str, usize)] =
    &[("42424242", 16), ("41111111", 16), ("40000566", 16), ("55555555", 16), ("52008282", 16), ("378282246", 15)];

/// Draws a person of a country.
pub(crate) fn person(random: &mut Random, country: Country) -> Person {
    let (first, last, cities) = match country {
        Country::Germany => GERMAN,
        Country::France => FRENCH,
        Country::Britain => BRITISH,
        Country::America => AMERICAN,
    };
    Person { first: random.pick(first), last: random.pick(last), city: random.pick(cities), country }
}

impl Person {
    /// First and last name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    /// An e-mail address made from the name, at a reserved domain.
    pub(crate) fn email(&self, random: &mut Random) -> String {
        let (first, last) = (self.first.to_lowercase(), self.last.to_lowercase());
        let local = match random.below(6) {
            0 | 1 => format!("{first}.{last}"),
            2 => format!("{}{last}", &first[..1]),
            3 => format!("{first}{}", random.between(51, 99)),
            4 => format!("{last}_{first}"),
            _ => format!("{first}.{last}+shop"),
        };
        format!("{local}@{}", random.pick(DOMAINS))
    }

    /// A telephone number in one of the country's usual forms.
    pub(crate) fn phone(&self, random: &mut Random) -> String {
        let style = random.below(3);
        let tail = random.between(10, 99);
        match (self.country, style) {
            (Country::Germany, 0) => format!("+49 30 23125 {tail:03}"),
            (Country::Germany, 1) => format!("030 / 23125{tail:03}"),
            (Country::Germany, _) => format!("+49 171 39200{tail}"),
            (Country::France, 0) => format!("+33 6 39 98 {tail} {}", random.digits(2)),
            (Country::France, 1) => format!("06 39 98 {tail} {}", random.digits(2)),
            (Country::France, _) => format!("01.99.00.{tail}.{}", random.digits(2)),
            (Country::Britain, 0) => format!("+44 20 7946 0{tail}{}", random.digits(1)),
            (Country::Britain, 1) => format!("07700 900{tail}{}", random.digits(1)),
            (Country::Britain, _) => format!("0113 496 0{tail}{}", random.digits(1)),
            (Country::America, 0) => format!("({}) 555-01{tail}", random.pick(&["415", "212", "303", "512"])),
            (Country::America, 1) => format!("+1 {}-555-01{tail}", random.pick(&["206", "617", "312", "813"])),
            (Country::America, _) => format!("{}-555-01{tail}", random.pick(&["503", "720", "646", "737"])),
        }
    }

    /// An IBAN of the country (of Germany where the country has none) with valid check digits, spaced or not.
    pub(crate) fn iban(&self, random: &mut Random) -> String {
        let (code, account) = match self.country {
            Country::France => ("FR", random.digits(23)),
            Country::Britain => ("GB", format!("TEST{}", random.digits(14))),
            Country::Germany | Country::America => ("DE", random.digits(18)),
        };
        let number = format!("{code}{:02}{account}", 98 - iban_remainder(&format!("{code}00{account}")));
        if random.chance(60) { in_groups_of_four(&number, ' ') } else { number }
    }
}

/// A card number of a test range with a valid Luhn digit.
pub(crate) fn card(random: &mut Random) -> String {
    let (prefix, length) = *random.element(TEST_CARDS);
    let body = format!("{prefix}{}", random.digits(length - 1 - prefix.len()));
    let number = format!("{body}{}", (10 - luhn_sum(&format!("{body}0")) % 10) % 10);
    match random.below(3) {
        0 => number,
        1 => in_groups_of_four(&number, '-'),
        _ => in_groups_of_four(&number, ' '),
    }
}

/// An IP address from a documentation range.
pub(crate) fn ip(random: &mut Random) -> String {
    if random.chance(20) {
        return format!("2001:db8:{:x}::{:x}", random.between(1, 0xffff), random.between(1, 0xff));
    }
    format!("{}.{}", random.pick(&["192.0.2", "198.51.100", "203.0.113"]), random.between(1, 254))
}

/// An order number of the shop.
pub(crate) fn order(random: &mut Random) -> String {
    match random.below(3) {
        0 => format!("A{}", random.digits(5)),
        1 => format!("FH-{}", random.digits(4)),
        _ => format!("{}{}", random.between(1, 9), random.digits(4)),
    }
}

/// The value of an IBAN modulo 97, which is 1 for a valid one.
fn iban_remainder(iban: &str) -> u32 {
    let compact: String = iban.chars().filter(|letter| !letter.is_whitespace()).collect();
    let (head, account) = compact.split_at(4);
    account.chars().chain(head.chars()).filter_map(|letter| letter.to_digit(36)).fold(0, |rest, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    })
}

/// The Luhn sum of a card number, which a valid number makes a multiple of ten.
fn luhn_sum(number: &str) -> u32 {
    let digits = number.chars().rev().filter_map(|letter| letter.to_digit(10));
    digits.enumerate().map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }).sum()
}

fn in_groups_of_four(number: &str, separator: char) -> String {
    let mut grouped = String::new();
    for (at, letter) in number.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            grouped.push(separator);
        }
        grouped.push(letter);
    }
    grouped
}

/// Whether an IBAN, spaced or not, has the right check digits.
#[cfg(test)]
pub(super) fn iban_is_valid(iban: &str) -> bool {
    iban_remainder(iban) == 1
}

/// Whether a card number passes the Luhn check.
#[cfg(test)]
pub(super) fn card_is_valid(number: &str) -> bool {
    luhn_sum(number).is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_pass_and_altered_ones_fail() {
        assert!(iban_is_valid("DE89 3704 0044 0532 0130 00"));
        assert!(iban_is_valid("GB82WEST12345698765432"));
        assert!(!iban_is_valid("DE88 3704 0044 0532 0130 00"));
        assert!(card_is_valid("4242 4242 4242 4242") && card_is_valid("3782-8224-6310-005"));
        assert!(!card_is_valid("4242 4242 4242 4241"));
    }

    #[test]
    fn generated_numbers_are_valid_and_vary() {
        let mut random = Random::new(3, "numbers");
        let mut seen = std::collections::BTreeSet::new();
        for country in Country::ALL {
            let someone = person(&mut random, country);
            for _ in 0..50 {
                let iban = someone.iban(&mut random);
                assert!(iban_is_valid(&iban), "{iban}");
                let number = card(&mut random);
                assert!(card_is_valid(&number), "{number}");
                assert!(someone.email(&mut random).contains('@'));
                assert!(someone.phone(&mut random).chars().filter(char::is_ascii_digit).count() >= 10);
                assert!(ip(&mut random).len() > 8);
                seen.insert(iban);
            }
        }
        assert!(seen.len() > 195);
    }
}
