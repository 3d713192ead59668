// SPDX-License-Identifier: MPL-2.0

//! What the registry knows about an element, without building a pipeline.

use gst::glib;
use gst::glib::translate::IntoGlib;
use gst::prelude::*;

/// A factory whose plugin could be loaded.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The factory.
    pub factory: gst::ElementFactory,
    /// Its pad templates.
    pub templates: Vec<gst::StaticPadTemplate>,
}

/// Why there is no such factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// No plugin has it.
    Unknown,
    /// A plugin has it but cannot be loaded.
    Broken,
}

impl Inspected {
    /// Looks a factory up and loads its plugin.
    pub fn find(name: &str) -> Result<Inspected, Missing> {
        let factory = gst::ElementFactory::find(name).ok_or(Missing::Unknown)?;
        let factory = factory
            .load()
            .ok()
            .and_then(|feature| feature.downcast::<gst::ElementFactory>().ok())
            .ok_or(Missing::Broken)?;
        let templates = factory.static_pad_templates().iter().copied().collect();
        Ok(Inspected { factory, templates })
    }

    fn class(&self) -> Option<glib::object::ClassRef<'static, gst::Element>> {
        glib::Class::<gst::Element>::from_type(self.factory.element_type())
    }

    /// A property by name; `child::name` asks a fresh element for its child's property.
    pub fn property(&self, name: &str) -> Option<glib::ParamSpec> {
        if name.contains("::") {
            let element = self.factory.create().build().ok()?;
            let proxy = element.dynamic_cast_ref::<gst::ChildProxy>()?;
            return proxy.lookup(name).ok().map(|(_, pspec)| pspec);
        }
        // GObject takes `_` for `-`; a description does not, so that each property has one name.
        self.class()?
            .find_property(name)
            .filter(|pspec| pspec.name() == name)
    }

    /// Every property.
    pub fn properties(&self) -> Vec<glib::ParamSpec> {
        self.class()
            .map(|class| class.list_properties().to_vec())
            .unwrap_or_default()
    }

    /// Whether its elements have a signal.
    pub fn has_signal(&self, name: &str) -> bool {
        // The class has to exist before its signals can be looked up.
        let class = self.class();
        class.is_some()
            && glib::subclass::SignalId::lookup(name, self.factory.element_type())
                .is_some_and(|id| id.into_glib() != 0)
    }

    /// Whether it has pads of a direction, of whatever availability.
    pub fn has_pads(&self, direction: gst::PadDirection) -> bool {
        self.templates
            .iter()
            .any(|template| template.direction() == direction)
    }
}

/// Whether a template named `sink_%u` stands for a pad named `sink_0`.
pub fn matches_template(template: &str, pad: &str) -> bool {
    let Some(percent) = template.find('%') else {
        return template == pad;
    };
    let Some(rest) = pad.strip_prefix(&template[..percent]) else {
        return false;
    };
    // Further placeholders (`recv_rtp_src_%u_%u_%u`) are numbers and underscores as well.
    match template[percent + 1..].chars().next() {
        Some('s') => !rest.is_empty(),
        _ => {
            !rest.is_empty()
                && rest
                    .chars()
                    .all(|c| c.is_ascii_digit() || c == '_' || c == '-')
        }
    }
}
