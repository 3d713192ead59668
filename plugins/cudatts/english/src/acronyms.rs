// SPDX-License-Identifier: MPL-2.0

//! Words in capitals: those that are said as words, those that are spelled.

use crate::speech::Speech;

/// Said in another way than they are written, or as a word though they look like letters. As [`Speech::of`] reads it.
const SAID: &[(&str, &str)] = &[
    ("ACORN", "acorn"),
    ("AIDS", "aids"),
    ("ASCII", "ae1.s.k.iy"),
    ("BASIC", "basic"),
    ("BIOS", "b.ay1.ow.s"),
    ("CAPTCHA", "k.ae1.p.ch.ax"),
    ("COBOL", "k.ow1.b.ao.l"),
    ("COVID", "k.ow1.v.ih.d"),
    ("CUDA", "k.uw1.d.ax"),
    ("DARPA", "d.aa1.r.p.ax"),
    ("DOS", "d.aa1.s"),
    ("DRAM", "D r.ae1.m"),
    ("EBITDA", "iy.b.ih1.t.d.ax"),
    ("FEMA", "f.iy1.m.ax"),
    ("FIFA", "f.iy1.f.ax"),
    ("FOMO", "f.ow1.m.ow"),
    ("GIF", "g.ih1.f"),
    ("GNU", "g.n.uw1"),
    ("GUI", "g.uw1.iy"),
    ("HIPAA", "hh.ih1.p.ax"),
    ("HVAC", "ey.ch v.ae1.k"),
    ("IEEE", "I triple E"),
    ("IKEA", "ay.k.iy1.ax"),
    ("IMAX", "ay1.m.ae.k.s"),
    ("JPEG", "jh.ey1.p.eh.g"),
    ("JPG", "jh.ey1.p.eh.g"),
    ("JSON", "jh.ey1.s.ax.n"),
    ("LAN", "l.ae1.n"),
    ("LASER", "laser"),
    ("MERS", "m.er1.z"),
    ("MIDI", "m.ih1.d.iy"),
    ("NAACP", "N double A C P"),
    ("NAFTA", "n.ae1.f.t.ax"),
    ("NASA", "n.ae1.s.ax"),
    ("NASDAQ", "n.ae1.z.d.ae.k"),
    ("NATO", "n.ey1.t.ow"),
    ("NORAD", "n.ao1.r.ae.d"),
    ("NVIDIA", "eh.n.v.ih1.d.iy.ax"),
    ("OPEC", "ow1.p.eh.k"),
    ("OSHA", "ow1.sh.ax"),
    ("PIN", "pin"),
    ("POTUS", "p.ow1.t.ax.s"),
    ("RADAR", "radar"),
    ("RAM", "r.ae1.m"),
    ("REST", "rest"),
    ("ROM", "r.aa1.m"),
    ("SARS", "s.aa1.r.z"),
    ("SATA", "s.ey1.t.ax"),
    ("SCOTUS", "s.k.ow1.t.ax.s"),
    ("SCSI", "s.k.ah1.z.iy"),
    ("SCUBA", "scuba"),
    ("SIM", "s.ih1.m"),
    ("SONAR", "s.ow1.n.aa.r"),
    ("SWAT", "s.w.aa1.t"),
    ("UEFA", "y.uw.ey1.f.ax"),
    ("UNESCO", "y.uw.n.eh1.s.k.ow"),
    ("UNICEF", "y.uw1.n.ax.s.eh.f"),
    ("VIN", "v.ih1.n"),
    ("WAN", "w.ae1.n"),
    ("WASP", "w.aa1.s.p"),
    ("WAV", "wave"),
    ("WIFI", "w.ay1.f.ay"),
    ("WWI", "world war one"),
    ("WWII", "world war two"),
    ("YAML", "y.ae1.m.ax.l"),
    ("YOLO", "y.ow1.l.ow"),
    ("ZIP", "zip"),
];

/// Spelled, however they are written.
const SPELLED: &[&str] = &[
    "ABC", "AC", "ADHD", "AI", "AKA", "API", "ASAP", "ATM", "AWS", "BBC", "BMI", "BMW", "CBS",
    "CD", "CEO", "CFO", "CIA", "CLI", "CNN", "CPU", "CSS", "CSV", "CTO", "CV", "DC", "DHL", "DIY",
    "DJ", "DNA", "DNS", "DSL", "DVD", "EEG", "EKG", "ESPN", "EU", "EV", "FAQ", "FBI", "FDA", "FPS",
    "FTP", "FYI", "GDP", "GDPR", "GPS", "GPT", "GPU", "GST", "HBO", "HDMI", "HIV", "HR", "HTML",
    "HTTP", "HTTPS", "IBM", "ID", "IDE", "IOT", "IP", "IPA", "IPO", "IQ", "IRA", "IRS", "ISBN",
    "ISO", "ISP", "IPHONE", "JVM", "KPI", "LCD", "LED", "LGBTQ", "LLC", "LLM", "LSD", "MBA", "MIT",
    "MRI", "MTV", "NBA", "NBC", "NFL", "NGO", "NHS", "NLP", "NSA", "NYC", "OCD", "OS", "PBS", "PC",
    "PDF", "PHP", "PM", "PNG", "PR", "PTSD", "QR", "RFID", "RGB", "RNA", "ROI", "RSS", "RSVP",
    "SAAS", "SDK", "SIP", "SMS", "SOS", "SQL", "SSD", "SSH", "SSL", "SUV", "TCP", "TLS", "TNT",
    "TTS", "TV", "UAE", "UDP", "UFO", "UI", "UK", "UN", "UPS", "URI", "URL", "USA", "USB", "UTC",
    "UTF", "UUID", "UV", "UX", "VAT", "VIP", "VPN", "VR", "WHO", "WTO", "WWF", "XML",
];

/// Of those, what is a word or name where it is not in capitals.
const ONLY_CAPITALS: [&str; 15] = [
    "WHO", "LED", "UPS", "ISO", "IRA", "SIP", "MIT", "AKA", "OS", "EV", "VAT", "SAAS", "AC",
    "IPHONE", "UN",
];

/// Short words that are in capitals to stress them.
const STRESSED: &[&str] = &[
    "A", "I", "AND", "ANY", "ALL", "ARE", "ASK", "AT", "AS", "BAD", "BE", "BEEN", "BEST", "BIG",
    "BOTH", "BUT", "BUY", "BY", "CAN", "CALL", "COME", "DAY", "DID", "DO", "DOES", "DON'T", "DONE",
    "DOWN", "EACH", "EASY", "END", "EVEN", "FAR", "FAST", "FEW", "FIND", "FIRE", "FOR", "FREE",
    "FROM", "FULL", "FUN", "GET", "GIVE", "GO", "GOD", "GOOD", "GOT", "GREAT", "HAD", "HAS",
    "HAVE", "HE", "HELP", "HER", "HERE", "HEY", "HI", "HIM", "HIS", "HOT", "HOW", "IF", "IN",
    "INTO", "IS", "ITS", "JUST", "KEEP", "KNOW", "LAST", "LESS", "LET", "LIKE", "LIVE", "LOL",
    "LONG", "LOOK", "LOVE", "LOW", "MADE", "MAKE", "MAN", "MANY", "MAY", "ME", "MEN", "MORE",
    "MOST", "MUCH", "MUST", "MY", "NEED", "NEW", "NEXT", "NICE", "NO", "NONE", "NOT", "NOTE",
    "NOW", "OF", "OFF", "OH", "OLD", "ON", "ONCE", "ONE", "ONLY", "OPEN", "OR", "OUR", "OUT",
    "OVER", "OWN", "PLUS", "PUT", "READ", "REAL", "RUN", "SAFE", "SAID", "SALE", "SAME", "SAY",
    "SEE", "SET", "SHE", "SHUT", "SO", "SOME", "SOON", "STAY", "STOP", "SUCH", "SURE", "TAKE",
    "TELL", "TEN", "THAN", "THAT", "THE", "THEM", "THEN", "THEY", "THIS", "TIME", "TO", "TODO",
    "TOO", "TOP", "TRUE", "TRY", "TURN", "TWO", "UP", "USE", "USED", "VERY", "WAIT", "WANT", "WAR",
    "WARN", "WAS", "WAY", "WE", "WELL", "WERE", "WHAT", "WHEN", "WHO'S", "WHY", "WILL", "WITH",
    "WORD", "WORK", "WOW", "YEAR", "YES", "YET", "YOU", "YOUR", "ZERO", "EXIT", "NULL", "INFO",
    "FAIL", "PASS", "BUG", "CASE", "ELSE", "FILE", "HIGH", "LEFT", "LINE", "LIST", "LOG", "MAIN",
    "MISS", "NAME", "PAGE", "PAY", "PLAN", "PLAY", "RED", "SAVE", "SHOW", "SIGN", "SIZE", "STEP",
    "TEST", "TEXT", "TYPE", "VIEW", "WEEK", "WEST", "EAST", "BLUE", "CITY", "GAME", "HOME", "LIFE",
    "MEET", "NEWS", "OKAY",
];

/// Whether letters are a word that can be said: a vowel, and not too many consonants together.
fn pronounceable(word: &str) -> bool {
    let vowel = |byte: u8| b"AEIOUY".contains(&byte.to_ascii_uppercase());
    let mut run = 0;
    let mut vowels = 0;
    for byte in word.bytes().filter(|byte| *byte != b'\'') {
        run = if vowel(byte) { 0 } else { run + 1 };
        vowels += usize::from(vowel(byte));
        if run > 4 {
            return false;
        }
    }
    vowels > 0
}

/// The letters of a word by their names.
pub(crate) fn spelled(word: &str) -> Speech {
    let mut speech = Speech::default();
    for letter in word.chars().filter(char::is_ascii_alphabetic) {
        speech.letter(letter);
    }
    speech
}

fn said_as(upper: &str) -> Option<&'static str> {
    let found = SAID.binary_search_by(|(word, _)| (*word).cmp(upper)).ok()?;
    Some(SAID[found].1)
}

fn is_spelled(upper: &str) -> bool {
    SPELLED.contains(&upper)
}

/// A word without any capitals that is an abbreviation all the same: usb, pdf.
pub(crate) fn small(word: &str) -> Option<Speech> {
    if word.len() > 6 {
        return None;
    }
    let upper = word.to_ascii_uppercase();
    if [
        "JSON", "YAML", "GUI", "JPEG", "JPG", "CUDA", "WIFI", "SCSI", "ASCII", "NVIDIA",
    ]
    .contains(&upper.as_str())
    {
        return said_as(&upper).map(Speech::of);
    }
    let (stem, plural) = match upper.strip_suffix('S') {
        Some(stem) if is_spelled(stem) && stem.len() > 2 => (stem, true),
        _ => (upper.as_str(), false),
    };
    if !is_spelled(stem) || ONLY_CAPITALS.contains(&stem) {
        return None;
    }
    Some(several(stem, plural))
}

fn several(letters_of: &str, plural: bool) -> Speech {
    let mut speech = spelled(letters_of);
    if plural {
        speech.several();
    }
    speech
}

/// A word in capitals, perhaps with a small s behind it; `loud`: so are the words around it. `None` where it is a word like any
/// other.
pub(crate) fn capitals(word: &str, loud: bool) -> Option<Speech> {
    let (stem, plural) = match word.strip_suffix("'s").or_else(|| word.strip_suffix("'S")) {
        Some(stem) => (stem, true),
        None => match word.strip_suffix('s') {
            Some(stem) if stem.len() > 1 => (stem, true),
            _ => (word, false),
        },
    };
    if stem.len() < 2 || !stem.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    if stem == "OK" {
        return Some(Speech::of("okay"));
    }
    if stem == "AAA" {
        return Some(Speech::of("triple A"));
    }
    if let Some(said) = said_as(stem) {
        let mut speech = Speech::of(said);
        if plural {
            speech.several();
        }
        return Some(speech);
    }
    let word = pronounceable(stem)
        && !is_spelled(stem)
        && (loud || stem.len() > 4 || STRESSED.contains(&stem));
    (!word).then(|| several(stem, plural))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_those_of_the_model() {
        let dictionary = crate::Dictionary::default();
        for (word, said) in SAID {
            for part in Speech::of(said).0 {
                if let crate::Said::Phones(phones) = part {
                    let known = dictionary.phones(phones.iter().map(String::as_str));
                    assert!(known.is_ok(), "{word}: {known:?}");
                }
            }
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(SAID.is_sorted_by_key(|(word, _)| *word));
    }
}
