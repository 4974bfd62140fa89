//! The invented products: the ten of the support desk, further ones of the same shop, and the newer range.

/// One product and the words that belong to it.
#[derive(Debug)]
pub(crate) struct Product {
    /// The full name, which is also the label.
    pub(crate) name: &'static str,
    /// The first word of the name, by which customers shorten it.
    pub(crate) brand: &'static str,
    /// The thing it is, in one word.
    pub(crate) noun: &'static str,
    /// What it is for, as the end of "made for ...".
    pub(crate) purpose: &'static str,
    /// Parts that can break.
    pub(crate) parts: &'static [&'static str],
    /// Faults as whole clauses.
    pub(crate) faults: &'static [&'static str],
    /// Features as noun phrases.
    pub(crate) features: &'static [&'static str],
}

/// The products that the support desk's customers write about.
pub(crate) const DESK: [Product; 10] = [
    Product {
        name: "Lumio Lamp",
        brand: "Lumio",
        noun: "lamp",
        purpose: "reading in the evening",
        parts: &["shade", "switch", "cable", "base"],
        faults: &[
            "the light flickers all the time",
            "the bulb stays dark",
            "the switch is stuck",
            "it hums as soon as it is on",
        ],
        features: &["a dimmer", "a warm white light", "a heavy base", "a long cable"],
    },
    Product {
        name: "Brewly Kettle",
        brand: "Brewly",
        noun: "kettle",
        purpose: "making tea and coffee",
        parts: &["lid", "handle", "heating plate", "spout"],
        faults: &[
            "the water does not get hot",
            "the lid does not close",
            "water drips from the spout",
            "it switches off before the water boils",
        ],
        features: &["a quiet boil", "a steel body", "a keep-warm mode", "a clear water scale"],
    },
    Product {
        name: "Tramo Bike",
        brand: "Tramo",
        noun: "bike",
        purpose: "riding to work",
        parts: &["front wheel", "saddle", "brake", "chain"],
        faults: &[
            "the chain jumps off",
            "the brake makes a loud noise",
            "the gears do not change",
            "the front wheel is bent",
        ],
        features: &["eight gears", "a light frame", "a strong motor", "a comfortable saddle"],
    },
    Product {
        name: "Pixa Camera",
        brand: "Pixa",
        noun: "camera",
        purpose: "taking pictures on holiday",
        parts: &["lens", "shutter", "display", "strap"],
        faults: &[
            "all pictures are blurred",
            "the lens does not move",
            "the display shows only stripes",
            "the memory card is not found",
        ],
        features: &["a fast lens", "a bright display", "a quiet shutter", "a pocket size"],
    },
    Product {
        name: "Sonda Speaker",
        brand: "Sonda",
        noun: "speaker",
        purpose: "hearing music at home",
        parts: &["volume knob", "cover", "socket", "stand"],
        faults: &[
            "the sound crackles",
            "there is no bass at all",
            "the volume knob does nothing",
            "the music stops every few minutes",
        ],
        features: &["a deep bass", "a clear sound", "a wooden case", "a stereo mode"],
    },
    Product {
        name: "Nubo Tablet",
        brand: "Nubo",
        noun: "tablet",
        purpose: "drawing and reading",
        parts: &["screen", "power button", "pen", "case"],
        faults: &[
            "the screen stays black",
            "the pen draws by itself",
            "it freezes when I open a page",
            "the battery is empty after an hour",
        ],
        features: &["a sharp screen", "a thin case", "a precise pen", "a large memory"],
    },
    Product {
        name: "Wavio Router",
        brand: "Wavio",
        noun: "router",
        purpose: "a strong network in every room",
        parts: &["antenna", "network port", "power supply", "status light"],
        faults: &[
            "the connection drops every hour",
            "the status light blinks red",
            "the network is very slow",
            "it restarts on its own",
        ],
        features: &["two antennas", "a guest network", "four ports", "a simple setup"],
    },
    Product {
        name: "Kora Watch",
        brand: "Kora",
        noun: "watch",
        purpose: "counting steps and sleep",
        parts: &["wristband", "crown", "glass", "buckle"],
        faults: &[
            "the time is always wrong",
            "it counts no steps",
            "the glass has fog inside",
            "the alarm never rings",
        ],
        features: &["a step counter", "a leather wristband", "a sleep report", "a hard glass"],
    },
    Product {
        name: "Dusto Vacuum",
        brand: "Dusto",
        noun: "vacuum",
        purpose: "keeping floors clean",
        parts: &["brush", "hose", "dust box", "filter"],
        faults: &[
            "it leaves all the dust on the floor",
            "the brush does not turn",
            "the hose smells of smoke",
            "it drives in circles",
        ],
        features: &["a strong brush", "a large dust box", "a fine filter", "a silent mode"],
    },
    Product {
        name: "Calda Heater",
        brand: "Calda",
        noun: "heater",
        purpose: "warm rooms in winter",
        parts: &["thermostat", "grille", "timer", "foot"],
        faults: &[
            "it stays cold",
            "it blows only cold air",
            "the thermostat shows a wrong number",
            "it turns itself off at night",
        ],
        features: &["a frost guard", "a child lock", "a quiet fan", "a weekly timer"],
    },
];

/// A product with the parts and features that any device has.
macro_rules! further {
    ($name:literal, $brand:literal, $noun:literal, $purpose:literal, $($fault:literal),+) => {
        Product {
            name: $name,
            brand: $brand,
            noun: $noun,
            purpose: $purpose,
            parts: &["switch", "cable", "cover", "housing"],
            faults: &[$($fault),+],
            features: &["a simple setup", "a long guarantee", "a small size", "a low price"],
        }
    };
}

/// Further products of the shop, so that the models meet more names than the desk's ten.
pub(crate) const FURTHER: [Product; 8] = [
    further!(
        "Fenno Printer",
        "Fenno",
        "printer",
        "printing letters and photos",
        "the paper gets stuck",
        "the ink is pale"
    ),
    further!(
        "Mista Humidifier",
        "Mista",
        "humidifier",
        "fresh air in dry rooms",
        "it leaks on the table",
        "no mist comes out"
    ),
    further!(
        "Grano Mill",
        "Grano",
        "mill",
        "grinding coffee and grain",
        "the blades are blocked",
        "the powder is too coarse"
    ),
    further!("Toska Toaster", "Toska", "toaster", "a quick breakfast", "the bread gets black", "one side stays cold"),
    further!(
        "Varo Keyboard",
        "Varo",
        "keyboard",
        "writing for many hours",
        "some keys do nothing",
        "the letters appear twice"
    ),
    further!(
        "Pello Scale",
        "Pello",
        "scale",
        "weighing flour and fruit",
        "it never shows zero",
        "the number jumps up and down"
    ),
    further!(
        "Rondo Projector",
        "Rondo",
        "projector",
        "film nights with friends",
        "the picture is green",
        "the fan is too loud"
    ),
    further!(
        "Skima Scanner",
        "Skima",
        "scanner",
        "sorting old papers",
        "the pages come out empty",
        "it stops after one page"
    ),
];

/// The newer range that only the second edition of the pretraining text adds.
pub(crate) const NEWER: [Product; 8] = [
    further!(
        "Altea Desk",
        "Altea",
        "desk",
        "standing and sitting work",
        "it does not rise any more",
        "the table top is uneven"
    ),
    further!(
        "Frisko Fridge",
        "Frisko",
        "fridge",
        "small kitchens and offices",
        "it freezes the vegetables",
        "the door does not shut"
    ),
    further!(
        "Hala Thermostat",
        "Hala",
        "thermostat",
        "saving heating costs",
        "it ignores the schedule",
        "the display is dark"
    ),
    further!(
        "Jonto Scooter",
        "Jonto",
        "scooter",
        "short ways in the city",
        "the handlebar is loose",
        "it brakes without reason"
    ),
    further!(
        "Melva Mixer",
        "Melva",
        "mixer",
        "baking bread and cakes",
        "the bowl does not lock",
        "the motor smells hot"
    ),
    further!(
        "Quilo Charger",
        "Quilo",
        "charger",
        "filling batteries overnight",
        "it gets very hot",
        "it charges only one cell"
    ),
    further!(
        "Ravo Monitor",
        "Ravo",
        "monitor",
        "long days at the computer",
        "half of the picture is missing",
        "the colours are wrong"
    ),
    further!(
        "Zemba Piano",
        "Zemba",
        "piano",
        "practising with headphones",
        "three keys are silent",
        "the pedal does not answer"
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn brands_and_nouns_tell_products_apart() {
        let all: Vec<&Product> = DESK.iter().chain(&FURTHER).chain(&NEWER).collect();
        let nouns: BTreeSet<_> = all.iter().map(|product| product.noun).collect();
        let brands: BTreeSet<_> = all.iter().map(|product| product.brand).collect();
        assert_eq!((nouns.len(), brands.len()), (all.len(), all.len()));
        for product in all {
            assert_eq!(product.name.to_lowercase(), format!("{} {}", product.brand.to_lowercase(), product.noun));
        }
    }
}
