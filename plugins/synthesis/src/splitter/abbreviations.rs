// SPDX-License-Identifier: MPL-2.0
//! When a full stop ends a sentence, and when it is part of an abbreviation, ordinal or initial.
//!
//! A stop before a small letter never ends a sentence; so only what is followed by capitals or
//! digits is listed here.

/// What the rules need to know of a language.
#[derive(Clone, Debug)]
pub(super) struct Language {
    /// Primary subtag; empty when unknown.
    code: String,
}

/// Abbreviations of (nearly) every language.
const COMMON: &[&str] = &[
    "Dr", "Prof", "St", "Sr", "Mr", "Mrs", "Ms", "vs", "etc.)", "cf", "ca",
];

/// By language: what never ends a sentence.
const NEVER: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "Messrs", "Mmes", "Rev", "Hon", "Gen", "Col", "Maj", "Capt", "Lt", "Sgt", "Cpl", "Pvt",
            "Gov", "Sen", "Rep", "Pres", "Supt", "Det", "Insp", "Mt", "Ft", "approx", "viz", "al",
            "incl", "esp", "Drs", "Fr", "Br",
        ],
    ),
    (
        "de",
        &[
            "Hr", "Hrn", "Fr", "Frl", "Dipl", "Ing", "Mag", "bzw", "ggf", "evtl", "inkl", "exkl",
            "vgl", "sog", "bzgl", "gem", "geb", "gest", "allg", "Abs", "bspw", "insb", "zzgl",
            "abzgl", "mind", "max", "urspr", "Hl", "St",
        ],
    ),
    (
        "fr",
        &[
            "MM", "Mme", "Mmes", "Mlle", "Mlles", "Me", "Mgr", "Vve", "env", "av", "apr", "bd",
            "chap",
        ],
    ),
    (
        "es",
        &[
            "Sra", "Srta", "Sres", "Dra", "Dña", "Ud", "Uds", "Vd", "Vds", "Excmo", "Lic", "Ing",
            "Arq", "Gral", "Avda", "Pza", "aprox",
        ],
    ),
    (
        "it",
        &[
            "Sig", "Sigg", "Sigra", "Dott", "Avv", "Ing", "Arch", "Geom", "Rag", "Egr", "Gent",
            "Spett", "On", "Mons", "Dr.ssa", "Dott.ssa", "Prof.ssa", "Sig.ra", "Sig.na",
        ],
    ),
    (
        "pt",
        &[
            "Sra", "Srta", "Srs", "Dra", "Exmo", "Exma", "Eng", "Arq", "Profa", "Av", "aprox",
            "Sto", "Sta",
        ],
    ),
    (
        "nl",
        &[
            "dhr", "mevr", "mw", "drs", "ir", "ing", "mr", "bijv", "bv", "enz", "incl", "excl",
            "resp",
        ],
    ),
    (
        "ru",
        &[
            "г", "гг", "ул", "им", "проф", "акад", "гр", "тов", "св", "пр", "руб", "тыс", "млн",
            "ср",
        ],
    ),
    ("uk", &["вул", "ім", "проф", "акад", "див", "пр", "м"]),
    (
        "pl",
        &[
            "prof", "mgr", "inż", "hab", "ul", "al", "św", "np", "tzw", "tj", "gen", "ks", "pł",
        ],
    ),
    (
        "cs",
        &[
            "ing", "Ing", "Mgr", "Bc", "MUDr", "JUDr", "sv", "tzv", "např", "ul", "tj",
        ],
    ),
    (
        "sv",
        &[
            "bl", "dvs", "fr", "hr", "ca", "inkl", "exkl", "resp", "t.ex",
        ],
    ),
    ("da", &["bl", "hr", "fr", "fx", "ca", "inkl"]),
    (
        "tr",
        &[
            "Doç", "Yrd", "Av", "Sn", "Hz", "Cad", "Sok", "Mah", "Bşk", "Alb", "Gön", "vb",
        ],
    ),
    ("hu", &["ifj", "özv", "pl", "ún", "ld", "kb"]),
    ("ro", &["dl", "dna", "dvs", "str", "bd"]),
    ("fi", &["esim", "mm", "ns", "nk", "fil", "toht"]),
];

/// Of any language: not an end where a number follows (`No. 5`, `Abb. 3`, `p. 12`).
const BEFORE_NUMBER: &[&str] = &[
    "no", "nos", "nr", "nro", "num", "núm", "n", "nº", "fig", "figs", "abb", "tab", "vol", "bd",
    "p", "pp", "pg", "pag", "pág", "s", "ss", "f", "ff", "art", "sec", "sect", "kap", "ch", "chap",
    "cap", "eq", "ref", "op", "ed", "tel", "tél", "ext", "jan", "feb", "mar", "apr", "jun", "jul",
    "aug", "sep", "sept", "oct", "nov", "dec", "str", "ziff", "abs", "стр", "рис", "табл", "гл",
    "т", "ст", "č", "s.a", "rs", "approx", "min", "max", "ver", "v",
];

/// Dotted abbreviations that may end a sentence before a capital letter.
const DOTTED_ENDS: &[&str] = &["a.m", "p.m", "т.д", "т.п", "n.chr", "v.chr", "d.c", "a.c"];

/// Languages that write ordinals with a full stop (`am 3. Oktober`).
const ORDINALS: &[&str] = &[
    "de", "da", "nb", "nn", "no", "fi", "cs", "sk", "pl", "hu", "hr", "sl", "sr", "bs", "tr", "et",
    "lv", "is", "lb", "fo", "eu",
];

/// Whether a full stop behind `token`, a word without it, may be that of an abbreviation or an initial in some
/// language: `Dr`, `z.B`, `J`. Numbers are none.
pub fn is_abbreviation(token: &str) -> bool {
    // What follows an abbreviation may be a name.
    token.chars().any(char::is_alphabetic)
        && !Language::from_tag(None).stop_ends(token, Some('X'), true)
}

impl Language {
    pub fn from_tag(tag: Option<&str>) -> Self {
        let code = tag
            .and_then(|tag| tag.split(['-', '_']).next())
            .unwrap_or("")
            .to_lowercase();
        Self { code }
    }

    fn is(&self, code: &str) -> bool {
        self.code.is_empty() || self.code == code
    }

    /// Whether quotation marks stand apart from what they hold (`« Oui ! »`).
    pub fn spaces_quotes(&self) -> bool {
        self.code == "fr"
    }

    /// Whether the stop behind `token` (without it) ends a sentence, given the first character
    /// of what follows behind white space (quotes and brackets skipped). `first`: the token is
    /// the first of its clause.
    pub fn stop_ends(&self, token: &str, next: Option<char>, first: bool) -> bool {
        if next.is_some_and(|c| c.is_lowercase()) || token.is_empty() {
            return false;
        }
        let digits_next = next.is_some_and(char::is_numeric);
        if token.chars().all(char::is_numeric) {
            let ordinal = ORDINALS.contains(&self.code.as_str())
                && token.chars().count() <= 2
                && next.is_some_and(char::is_alphabetic);
            let item = first && token.chars().count() <= 3;
            return !(ordinal || item) || next.is_none();
        }
        let mut chars = token.chars();
        if let (Some(only), None) = (chars.next(), chars.next()) {
            // An initial, or half of `z. B.`; the English word `I` is neither.
            let pronoun = only == 'I' && self.is("en") && !first;
            let letter = only.is_uppercase() || only.is_lowercase();
            return !letter || pronoun;
        }
        let lower = token.to_lowercase();
        if token.contains('.') {
            if self.listed(token) {
                return false;
            }
            let abbreviation = token.split('.').all(|part| {
                (1..=3).contains(&part.chars().count()) && part.chars().all(char::is_alphabetic)
            }) && token.split('.').any(|part| part.chars().count() == 1);
            return !abbreviation || DOTTED_ENDS.contains(&lower.as_str());
        }
        if digits_next && BEFORE_NUMBER.contains(&lower.as_str()) {
            return false;
        }
        let roman = ORDINALS.contains(&self.code.as_str())
            && token.chars().all(|c| matches!(c, 'I' | 'V' | 'X'))
            && next.is_some_and(char::is_alphabetic);
        !roman && !self.listed(token)
    }

    fn listed(&self, token: &str) -> bool {
        let same = |listed: &&str| *listed == token || capitalised(listed) == token;
        COMMON.iter().any(same)
            || NEVER
                .iter()
                .filter(|(code, _)| self.is(code))
                .any(|(_, list)| list.iter().any(same))
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
