// SPDX-License-Identifier: MPL-2.0

//! Every property keeps what is written into it, and says what it is for.

use duplex_tests::plugins;
use gst::glib;
use gst::prelude::*;

/// Another value than the default that a property may take.
fn other(spec: &glib::ParamSpec) -> Option<glib::Value> {
    let any = spec.clone();
    if let Ok(spec) = any.clone().downcast::<glib::ParamSpecUInt64>() {
        return Some((spec.default_value() + 7).to_value());
    }
    if let Ok(spec) = any.clone().downcast::<glib::ParamSpecDouble>() {
        let middle = (spec.minimum() + spec.maximum()) / 2.0;
        return Some((middle + 0.25).to_value());
    }
    if let Ok(spec) = any.clone().downcast::<glib::ParamSpecBoolean>() {
        return Some((!spec.default_value()).to_value());
    }
    if any.clone().downcast::<glib::ParamSpecString>().is_ok() {
        return Some("another".to_value());
    }
    if let Ok(spec) = any.clone().downcast::<glib::ParamSpecEnum>() {
        let last = spec.enum_class().values().last()?.value();
        return spec.enum_class().to_value(last);
    }
    if any.value_type().is_a(gst::Element::static_type()) {
        return Some(
            gst::ElementFactory::make("fakesrc")
                .build()
                .unwrap()
                .to_value(),
        );
    }
    None
}

#[test]
fn every_property_round_trips_and_explains_itself() {
    plugins::init();
    for factory in ["vad", "vadsrc"] {
        let element = gst::ElementFactory::make(factory).build().unwrap();
        let own = element.type_();
        let mut written = 0;
        for spec in element.list_properties() {
            if spec.owner_type() != own {
                continue;
            }
            let name = spec.name();
            assert!(
                spec.blurb().is_some_and(|b| b.len() > 15),
                "{factory}.{name}"
            );
            assert!(
                name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "{name}"
            );
            if !spec.flags().contains(glib::ParamFlags::WRITABLE) {
                assert_eq!(name, "stats");
                continue;
            }
            let value = other(&spec).unwrap_or_else(|| panic!("a value for {factory}.{name}"));
            element.set_property_from_value(name, &value);
            let read = element.property_value(name);
            let same = match value.get::<glib::Object>() {
                Ok(object) => read.get::<glib::Object>().unwrap() == object,
                Err(_) => value.serialize().unwrap() == read.serialize().unwrap(),
            };
            assert!(same, "{factory}.{name}: wrote {value:?}, read {read:?}");
            written += 1;
        }
        assert!(written >= 11, "{factory}: {written}");
    }
}

#[test]
fn the_ears_are_found_where_they_belong() {
    plugins::init();
    for (factory, klass, source) in [
        ("vad", "Filter/Analyzer/Audio", false),
        ("vadsrc", "Source/Audio", true),
    ] {
        let factory = gst::ElementFactory::find(factory).unwrap();
        assert_eq!(factory.metadata("klass"), Some(klass));
        assert!(
            factory
                .metadata("description")
                .unwrap()
                .contains("gst-launch-1.0")
        );
        let element = factory.create().build().unwrap();
        let flags = element.element_flags();
        assert_eq!(flags.contains(gst::ElementFlags::SOURCE), source);
        assert!(!flags.contains(gst::ElementFlags::SINK));
    }
}
