//! Small word lists that the templates of every kind of text share.

/// The words for `$name`, where it is one of the shared lists.
pub(super) fn list(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "few" => &["two", "three", "four", "five", "six", "ten"],
        "day" => &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "month" => &[
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        "when" => &[
            "last week",
            "yesterday",
            "two weeks ago",
            "in $month",
            "on $day",
            "last $day",
            "a month ago",
            "$few days ago",
        ],
        "colour" => &["red", "blue", "green", "white", "black", "grey", "yellow", "brown", "silver"],
        "room" => &["kitchen", "bedroom", "office", "garden", "living room", "hall", "workshop", "cellar"],
        "relative" => {
            &["brother", "sister", "mother", "father", "daughter", "son", "aunt", "uncle", "neighbour", "friend"]
        }
        "food" => &[
            "soup", "bread", "rice", "apples", "cheese", "pasta", "cake", "potatoes", "fish", "honey", "pears", "salad",
        ],
        "animal" => &["dog", "cat", "horse", "bird", "rabbit", "hen", "goat", "hedgehog"],
        "weather" => &[
            "it was raining",
            "the sun was shining",
            "snow was falling",
            "a strong wind was blowing",
            "it was warm",
            "fog lay over the fields",
        ],
        "time" => &[
            "seven o'clock",
            "half past eight",
            "noon",
            "three in the afternoon",
            "six in the evening",
            "nine o'clock",
        ],
        "thing" => &[
            "book", "chair", "bottle", "basket", "box", "letter", "ticket", "key", "coat", "cup", "pencil", "blanket",
            "ladder", "bell",
        ],
        "things" => &[
            "books", "chairs", "bottles", "baskets", "boxes", "letters", "tickets", "keys", "coats", "cups", "pencils",
            "blankets",
        ],
        "adjective" => {
            &["small", "large", "old", "new", "heavy", "light", "quiet", "loud", "simple", "strong", "soft", "bright"]
        }
        "place" => &[
            "market",
            "station",
            "library",
            "school",
            "park",
            "harbour",
            "bakery",
            "museum",
            "post office",
            "bridge",
            "river",
        ],
        "job" => &[
            "teacher",
            "nurse",
            "baker",
            "driver",
            "farmer",
            "gardener",
            "painter",
            "engineer",
            "librarian",
            "plumber",
        ],
        "verb" => &["walk", "read", "write", "sing", "wait", "cook", "work", "sleep", "count", "listen"],
        "service" => &["the parcel service", "the post", "the courier", "the driver"],
        "placeholder" => &["{EMAIL}", "{PHONE}", "{IBAN}", "{CARD}", "{IP}", "{NAME}"],
        _ => return None,
    })
}
