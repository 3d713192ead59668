// SPDX-License-Identifier: MPL-2.0

//! Our elements as gst-inspect shows them, as JSON: what the committed snapshot holds.
//!
//! Only what is ours: features of our plugins, properties and signals whose owner is a type of
//! ours. What GStreamer itself adds differs from version to version.

use gst::{glib, glib::translate::*, prelude::*};
use serde_json::{Map, Value, json};

/// What the names of all our types begin with.
pub const TYPE_PREFIX: &str = "GstDuplex";

/// Our plugins by name.
pub const PLUGINS: [&str; 6] = [
    "duplexasr",
    "duplexchat",
    "duplexcuda",
    "duplexespeak",
    "duplextts",
    "duplexvad",
];

/// Factories of our elements, by name.
pub fn factories() -> Vec<gst::ElementFactory> {
    let registry = gst::Registry::get();
    let mut factories: Vec<gst::ElementFactory> = PLUGINS
        .iter()
        .flat_map(|plugin| registry.features_by_plugin(plugin))
        .filter_map(|feature| feature.downcast().ok())
        .collect();
    factories.sort_by_key(|factory| factory.name());
    factories
}

/// Makes an element of ours.
pub fn make(factory: &gst::ElementFactory) -> gst::Element {
    factory
        .create()
        .build()
        .unwrap_or_else(|error| panic!("{}: {error}", factory.name()))
}

/// The properties of `element` that are ours, in the order of their names.
pub fn properties(element: &gst::Element) -> Vec<glib::ParamSpec> {
    let mut properties: Vec<glib::ParamSpec> = element
        .list_properties()
        .iter()
        .filter(|property| is_ours(property.owner_type()))
        .cloned()
        .collect();
    properties.sort_by(|a, b| a.name().cmp(b.name()));
    properties
}

fn is_ours(type_: glib::Type) -> bool {
    type_.name().starts_with(TYPE_PREFIX)
}

/// Everything that the snapshot holds about all our elements.
pub fn snapshot() -> Value {
    let elements: Map<String, Value> = factories()
        .iter()
        .map(|factory| (factory.name().to_string(), element(factory)))
        .collect();
    Value::Object(elements)
}

fn element(factory: &gst::ElementFactory) -> Value {
    let element = make(factory);
    let metadata = |key: &str| factory.metadata(key).unwrap_or_default().to_owned();
    let mut pads: Vec<_> = factory.static_pad_templates().iter().map(pad).collect();
    pads.sort_by_key(|pad| pad["name"].to_string());
    let properties: Map<String, Value> = properties(&element)
        .iter()
        .map(|p| (p.name().to_owned(), property(p)))
        .collect();
    json!({
        "plugin": factory.plugin().map(|p| p.plugin_name().to_string()),
        "long-name": metadata("long-name"),
        "klass": metadata("klass"),
        "description": metadata("description"),
        "rank": i32::from(factory.rank()),
        "pads": pads,
        "properties": properties,
        "signals": signals(element.type_()),
    })
}

fn pad(template: &gst::StaticPadTemplate) -> Value {
    json!({
        "name": template.name_template(),
        "direction": format!("{:?}", template.direction()).to_lowercase(),
        "presence": format!("{:?}", template.presence()).to_lowercase(),
        "caps": template.caps().to_string(),
    })
}

fn property(property: &glib::ParamSpec) -> Value {
    let flags = property.flags();
    let names = [
        (glib::ParamFlags::READABLE, "readable"),
        (glib::ParamFlags::WRITABLE, "writable"),
        (glib::ParamFlags::CONSTRUCT_ONLY, "construct-only"),
        (gst::PARAM_FLAG_CONTROLLABLE, "controllable"),
        (gst::PARAM_FLAG_MUTABLE_READY, "in READY"),
        (gst::PARAM_FLAG_MUTABLE_PAUSED, "in PAUSED"),
        (gst::PARAM_FLAG_MUTABLE_PLAYING, "in PLAYING"),
    ];
    let flags: Vec<&str> = names
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, name)| *name)
        .collect();
    let mut told = json!({
        "type": property.value_type().name(),
        "nick": property.nick(),
        "blurb": property.blurb(),
        "default": shown(property.default_value()),
        "flags": flags.join(", "),
    });
    if let Some((minimum, maximum)) = range(property) {
        told["range"] = json!([minimum, maximum]);
    }
    if let Some(class) = glib::EnumClass::with_type(property.value_type()) {
        let values: Map<String, Value> = class
            .values()
            .iter()
            .map(|value| (value.nick().to_owned(), json!(value.name())))
            .collect();
        told["values"] = Value::Object(values);
    }
    told
}

/// The least and the greatest value that a numeric property takes, as text.
pub fn range(property: &glib::ParamSpec) -> Option<(String, String)> {
    macro_rules! of {
        ($($type:ty),*) => {
            $(if let Some(p) = property.downcast_ref::<$type>() {
                return Some((p.minimum().to_string(), p.maximum().to_string()));
            })*
        };
    }
    of!(
        glib::ParamSpecInt,
        glib::ParamSpecUInt,
        glib::ParamSpecInt64,
        glib::ParamSpecUInt64,
        glib::ParamSpecFloat,
        glib::ParamSpecDouble
    );
    None
}

/// A value as gst-launch would write it; `null` where there is none.
pub fn shown(value: &glib::Value) -> Value {
    if let Ok(text) = value.get::<Option<String>>() {
        return json!(text);
    }
    // Nothing to serialize in a boxed value that is empty, and GStreamer says so aloud.
    if matches!(value.get::<Option<gst::Structure>>(), Ok(None)) {
        return Value::Null;
    }
    match value.serialize() {
        Ok(text) => json!(text.as_str()),
        Err(_) => Value::Null,
    }
}

fn signals(type_: glib::Type) -> Value {
    let mut told = Map::new();
    let mut types: Vec<glib::Type> = std::iter::successors(Some(type_), |t| t.parent()).collect();
    types.extend(type_.interfaces().iter().copied());
    for owner in types.into_iter().filter(|t| is_ours(*t)) {
        let mut signals = list(owner);
        signals.sort_by_key(|signal| signal.signal_name().to_owned());
        for signal in signals {
            let arguments: Vec<&str> = signal
                .param_types()
                .iter()
                .map(|t| t.type_().name())
                .collect();
            told.insert(
                signal.signal_name().to_owned(),
                json!({
                    "arguments": arguments,
                    "returns": signal.return_type().type_().name(),
                    "action": signal.flags().contains(glib::SignalFlags::ACTION),
                }),
            );
        }
    }
    Value::Object(told)
}

fn list(owner: glib::Type) -> Vec<glib::subclass::SignalQuery> {
    let mut count = 0;
    // SAFETY: the call gives an array of `count` ids that belongs to us; the ids are of signals
    // that exist, as signals are never taken back.
    unsafe {
        let ids = glib::gobject_ffi::g_signal_list_ids(owner.into_glib(), &mut count);
        let signals = (0..count as usize)
            .map(|n| {
                let id: glib::subclass::SignalId = from_glib(*ids.add(n));
                id.query()
            })
            .collect();
        glib::ffi::g_free(ids.cast());
        signals
    }
}
