// SPDX-License-Identifier: MPL-2.0

//! Which models there are.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use duplex_yaml::{Form, Mapping, Report, Source, Span, Spanned, nearest, yaml};
use serde_json::{Map, Value};

use crate::{COMPACT, configuration, place::Place};

/// Names a catalogue of one's own, whose models stand beside the published ones.
pub const VARIABLE: &str = "DUPLEX_CATALOGUE";

const FORM: Form = Form::new("a catalogue of models");
const PUBLISHED: &str = include_str!("catalogue.yaml");

/// A model, and where its parts are published.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it is called.
    pub name: String,
    /// ISO 639-1.
    pub language: String,
    /// How many parameters take part in speaking.
    pub parameters: u64,
    /// Who made it.
    pub publisher: String,
    /// SPDX identifier of the weights' licence.
    pub licence: String,
    /// Where that licence can be read.
    pub licence_page: String,
    /// Where the model is described.
    pub page: String,
    /// How it is built: YAML, as it is published.
    pub configuration: String,
    /// What it has learnt.
    pub weights: Place,
    /// The same with what cloning a voice takes, where that is published apart, for those who have agreed to its terms.
    pub cloning_weights: Option<Place>,
    /// How its text is made tokens.
    pub tokenizer: Place,
    /// Stored voices by name, in the order of names.
    pub voices: BTreeMap<String, Place>,
    /// Where the terms of the voices stand.
    pub voices_page: Option<String>,
    /// The voice of who asks for none; one of `voices`.
    pub voice: String,
}

/// Models by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    models: Vec<Model>,
    pieces: BTreeMap<String, Map<String, Value>>,
    voices: BTreeMap<String, Voices>,
}

#[derive(Clone, Debug)]
struct Voices {
    place: Spanned<String>,
    page: Option<String>,
    names: Vec<String>,
}

impl Catalogue {
    /// What this version knows.
    pub fn published() -> &'static Catalogue {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            let source = Source {
                name: "catalogue.yaml".into(),
                text: PUBLISHED.into(),
            };
            // A test reads it, too: it is never empty.
            Catalogue::default().with(source).unwrap_or_default()
        });
        &CATALOGUE
    }

    /// The published models, and those of a file, which replace published ones of the same name.
    pub fn read(path: &Path) -> Result<Catalogue, Report> {
        Catalogue::published()
            .clone()
            .with(Source::read(path, &FORM)?)
    }

    /// The published models, and those of the file that the environment variable `DUPLEX_CATALOGUE` names.
    pub fn of_user() -> Result<Catalogue, Report> {
        match std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            Some(path) => Catalogue::read(&PathBuf::from(path)),
            None => Ok(Catalogue::published().clone()),
        }
    }

    /// The models, in the order of the file.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// A model by name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// `; did you mean …?` where a name is near.
    pub fn nearest(&self, name: &str) -> String {
        let names = self.models.iter().map(|model| model.name.as_str());
        nearest(name, names.chain([COMPACT.name]))
    }

    fn with(mut self, source: Source) -> Result<Catalogue, Report> {
        let mut report = Report::new(source.clone());
        let Some(root) = yaml::parse(&source, &FORM, &mut report) else {
            if report.is_empty() {
                report.whole_file("is empty: it is to name models");
            }
            return Err(report);
        };
        let mut file = Mapping::root(&root, &FORM, &mut report);
        let report = &mut report;
        file.require(
            &["publisher", "licence", "licence-page", "page", "models"],
            report,
        );
        let mut text = |key: &str| file.string(key, report).map(|text| text.value);
        let about = About {
            publisher: text("publisher").unwrap_or_default(),
            licence: text("licence").unwrap_or_default(),
            licence_page: text("licence-page").unwrap_or_default(),
            page: text("page").unwrap_or_default(),
        };
        if let Some((_, node)) = file.node("configuration") {
            for (name, node) in yaml::pairs(node, "`configuration`", report).unwrap_or_default() {
                let what = format!("`{}`", name.value);
                match configuration::value(node, &what, report) {
                    Value::Object(piece) => drop(self.pieces.insert(name.value, piece)),
                    _ => report.add(node.at, format!("{what} is a mapping of names to values")),
                }
            }
        }
        if let Some((_, node)) = file.node("voices") {
            for (name, node) in yaml::pairs(node, "`voices`", report).unwrap_or_default() {
                let mapping = Mapping::new(node, format!("`{}`", name.value), report);
                if let Some(voices) = voices(mapping, report) {
                    self.voices.insert(name.value, voices);
                }
            }
        }
        if let Some((_, node)) = file.node("models") {
            for (name, node) in yaml::pairs(node, "`models`", report).unwrap_or_default() {
                let mapping = Mapping::new(node, format!("`{}`", name.value), report);
                let Some(model) = self.model_of(name, &about, mapping, report) else {
                    continue;
                };
                match self
                    .models
                    .iter_mut()
                    .find(|known| known.name == model.name)
                {
                    Some(known) => *known = model,
                    None => self.models.push(model),
                }
            }
        }
        file.finish(report);
        if report.is_empty() {
            Ok(self)
        } else {
            Err(report.clone())
        }
    }

    fn model_of(
        &self,
        name: Spanned<String>,
        about: &About,
        mut mapping: Mapping<'_>,
        report: &mut Report,
    ) -> Option<Model> {
        if name.value == COMPACT.name {
            let what = "is the name of the model that is built in; give yours another";
            report.add(name.at, format!("`{}` {what}", name.value));
        }
        // A name is typed on command lines, and stands in places.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(plain) {
            let what =
                "a name is made of letters, digits, `-`, `_` and `.`, and begins with none of `-.`";
            report.add(name.at, format!("`{}`: {what}", name.value));
        }
        let all = [
            "language",
            "parameters",
            "configuration",
            "weights",
            "tokenizer",
            "voices",
            "voice",
        ];
        mapping.require(&all, report);
        let language = mapping.string("language", report);
        let parameters = mapping.integer("parameters", 1..=i64::MAX, report);
        let pieces = mapping.strings("configuration", report);
        let weights = mapping.string("weights", report);
        let cloning = mapping.string("cloning-weights", report);
        let tokenizer = mapping.string("tokenizer", report);
        let voices = mapping.string("voices", report);
        let voice = mapping.string("voice", report);
        mapping.finish(report);
        let named = |place: Spanned<String>| Spanned {
            value: place.value.replace("{model}", &name.value),
            at: place.at,
        };
        let weights = weights.and_then(|place| parsed(named(place), report));
        let cloning = cloning.map(|place| parsed(named(place), report));
        let tokenizer = tokenizer.and_then(|place| parsed(named(place), report));

        let mut sum = Map::new();
        for piece in pieces? {
            match self.pieces.get(&piece.value) {
                Some(more) => configuration::add(&mut sum, more),
                None => unknown(
                    "piece of a configuration",
                    &piece,
                    self.pieces.keys(),
                    report,
                ),
            }
        }
        let (voices, voice) = (voices?, voice?);
        let Some(known) = self.voices.get(&voices.value) else {
            unknown("collection of voices", &voices, self.voices.keys(), report);
            return None;
        };
        let place = named(known.place.clone());
        let places = known.names.iter().filter_map(|voice| {
            let place = Place::parse(&place.value.replace("{voice}", voice)).ok()?;
            Some((voice.clone(), place))
        });
        let places: BTreeMap<String, Place> = places.collect();
        if !places.contains_key(&voice.value) {
            unknown("voice", &voice, places.keys(), report);
        }
        let (weights, tokenizer) = (weights?, tokenizer?);
        let cloning = match cloning {
            Some(place) => Some(place?),
            None => None,
        };
        // As it is published, so that whatever reads that reads this.
        let more = serde_json::json!({
            "weights_path": cloning.as_ref().unwrap_or(&weights).to_string(),
            "weights_path_without_voice_cloning": weights.to_string(),
            "flow_lm": { "lookup_table": { "tokenizer_path": tokenizer.to_string() } },
        });
        if let Value::Object(more) = more {
            configuration::add(&mut sum, &more);
        }
        Some(Model {
            name: name.value,
            language: language?.value,
            parameters: parameters?.value as u64,
            publisher: about.publisher.clone(),
            licence: about.licence.clone(),
            licence_page: about.licence_page.clone(),
            page: about.page.clone(),
            // What is JSON is YAML.
            configuration: format!("{:#}\n", Value::Object(sum)),
            weights,
            cloning_weights: cloning,
            tokenizer,
            voices: places,
            voices_page: known.page.clone(),
            voice: voice.value,
        })
    }
}

/// What all models of a file have in common.
struct About {
    publisher: String,
    licence: String,
    licence_page: String,
    page: String,
}

fn voices(mut mapping: Mapping<'_>, report: &mut Report) -> Option<Voices> {
    mapping.require(&["place", "names"], report);
    let place = mapping.string("place", report);
    let page = mapping.string("page", report).map(|page| page.value);
    let names = mapping.strings("names", report);
    mapping.finish(report);
    let (place, names) = (place?, names?);
    // The names of a model and of voices are put in later; a place that is none then is none now.
    let tried = place.value.replace("{model}", "m").replace("{voice}", "v");
    if let Err(message) = Place::parse(&tried) {
        report.add(place.at, message);
    }
    if !place.contains("{voice}") {
        report.add(
            place.at,
            "`place` has no {voice}: all voices would be one file",
        );
    }
    for name in names.iter().filter(|name| {
        !name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_".contains(c))
    }) {
        report.add(
            name.at,
            format!(
                "`{}` is no name of a voice: letters, digits, `-` and `_`",
                name.value
            ),
        );
    }
    Some(Voices {
        place,
        page,
        names: names.into_iter().map(|name| name.value).collect(),
    })
}

fn parsed(place: Spanned<String>, report: &mut Report) -> Option<Place> {
    let parsed = Place::parse(&place.value);
    parsed.map_err(|message| report.add(place.at, message)).ok()
}

fn unknown<'a>(
    what: &str,
    name: &Spanned<String>,
    known: impl Iterator<Item = &'a String>,
    report: &mut Report,
) {
    let names: Vec<&str> = known.map(String::as_str).collect();
    let near = nearest(name, names.iter().copied());
    let at: Span = name.at;
    report.add(
        at,
        format!(
            "there is no {what} `{}`; there are {}{near}",
            name.value,
            names.join(", ")
        ),
    );
}
