// SPDX-License-Identifier: MPL-2.0

//! A checked description with its values, ready to be made into pipelines as often as sessions need one.

use std::collections::HashMap;

use gst::glib;
use gst::prelude::*;

use crate::check::placeholders::{self, Way};
use crate::check::{Context, bins};
use crate::graph::Caller;
use crate::inspect::Inspected;
use crate::value;
use duplex_yaml::Span;

/// What a property is set to.
#[derive(Clone, Debug)]
pub enum Setting {
    /// A plain value, read from its text for each pipeline.
    Value(glib::ParamSpec),
    /// An element in gst-launch-1.0's language, made anew for each pipeline.
    Bin(String),
    /// Sound from the caller.
    CallerSource,
    /// Sound to the caller.
    CallerSink,
}

/// A property to set.
#[derive(Clone, Debug)]
pub struct PlannedProperty {
    /// Name of the property.
    pub name: String,
    /// Its value as text, after interpolation.
    pub text: String,
    /// Its value.
    pub setting: Setting,
    /// Where it stands.
    pub at: Span,
}

/// An element to make.
#[derive(Clone, Debug)]
pub struct PlannedElement {
    /// Its id, and its name in the pipeline.
    pub id: String,
    /// Its factory.
    pub factory: String,
    /// Its properties, in the order of the text.
    pub properties: Vec<PlannedProperty>,
    /// Where its id stands.
    pub at: Span,
}

/// One end of a link to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedEnd {
    /// An element by id, and its pad where one is named.
    Element {
        /// Id of the element.
        id: String,
        /// Name of the pad.
        pad: Option<String>,
    },
    /// What the runner supplies.
    Caller(Caller),
}

/// A link to make.
#[derive(Clone, Debug)]
pub struct PlannedLink {
    /// Where data come from.
    pub from: PlannedEnd,
    /// Where they go.
    pub to: PlannedEnd,
    /// Whether the pad at the beginning appears only while data flow.
    pub sometimes: bool,
    /// Where it stands.
    pub at: Span,
}

/// Elements and links with every value in place.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Name of the description in messages.
    pub name: String,
    /// The elements.
    pub elements: Vec<PlannedElement>,
    /// The links.
    pub links: Vec<PlannedLink>,
}

/// What stands for the caller in one session. Each is asked for at most once per place in the description.
pub trait Bindings {
    /// An element with a source pad of sound, or `None` where the element that asks for it (of this factory) is to use the
    /// microphone by itself.
    fn audio_source(&mut self, factory: Option<&str>) -> Result<Option<gst::Element>, String>;
    /// An element with a sink pad for sound, or `None` where the element that asks for it is to use the speakers by itself.
    fn audio_sink(&mut self, factory: Option<&str>) -> Result<Option<gst::Element>, String>;
    /// An element with a source pad of text.
    fn text_source(&mut self) -> Result<gst::Element, String>;
    /// An element with a sink pad for text.
    fn text_sink(&mut self) -> Result<gst::Element, String>;
    /// Whether a sound device takes part, whose clock then sets the pace.
    fn devices(&self) -> bool;
}

/// Why a plan could not be made into a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// Where in the description.
    pub at: Span,
    /// One sentence.
    pub message: String,
}

impl Plan {
    pub(crate) fn new(cx: &Context) -> Plan {
        let mut plan = Plan {
            name: cx.loaded.source.name.clone(),
            ..Plan::default()
        };
        for (id, element) in &cx.loaded.description.elements {
            let properties = cx
                .properties
                .iter()
                .filter(|property| property.id.value == id.value)
                .filter_map(|property| {
                    let pspec = property.pspec.as_ref()?;
                    let text = property.text.clone()?;
                    let setting = if property.bin().is_some() {
                        Setting::Bin(text.clone())
                    } else if value::takes_element(pspec) {
                        match placeholders::way(property.name)? {
                            Way::Source => Setting::CallerSource,
                            Way::Sink => Setting::CallerSink,
                        }
                    } else {
                        Setting::Value(pspec.clone())
                    };
                    Some(PlannedProperty {
                        name: property.name.value.clone(),
                        text,
                        setting,
                        at: property.name.at,
                    })
                })
                .collect();
            plan.elements.push(PlannedElement {
                id: id.value.clone(),
                factory: element.factory.value.clone(),
                properties,
                at: id.at,
            });
        }
        for (link, ends) in cx.links.iter().zip(&cx.ends) {
            let end = |end: &crate::graph::End| match end.caller() {
                Some(caller) => PlannedEnd::Caller(caller),
                None => PlannedEnd::Element {
                    id: end.id().to_string(),
                    pad: end.pad().map(String::from),
                },
            };
            plan.links.push(PlannedLink {
                from: end(&link.from),
                to: end(&link.to),
                sometimes: ends
                    .from
                    .is_some_and(|template| template.presence() == gst::PadPresence::Sometimes),
                at: link.to.at,
            });
        }
        plan
    }

    /// The element of the description that `object` is, or that it lies in: the one right below the pipeline. Names
    /// further inside are not ids.
    pub fn element_of(
        &self,
        pipeline: &gst::Pipeline,
        object: &gst::Object,
    ) -> Option<&PlannedElement> {
        let mut object = object.clone();
        loop {
            let parent = object.parent()?;
            if parent == *pipeline.upcast_ref::<gst::Object>() {
                return self.element(&object.name());
            }
            object = parent;
        }
    }

    /// Whether anything in it gives the caller sound, as far as can be seen: a mouth may speak to whatever it likes.
    pub fn sounds(&self) -> bool {
        let bound = self.elements.iter().any(|element| {
            element.factory == "ttssink"
                || element
                    .properties
                    .iter()
                    .any(|property| matches!(property.setting, Setting::CallerSink))
        });
        let audio = PlannedEnd::Caller(Caller::Audio);
        bound || self.links.iter().any(|link| link.to == audio)
    }

    /// Sets a property of every element of these factories that has it, whatever the description says. How many there are;
    /// an error says why the value does not fit.
    pub fn set(&mut self, factories: &[&str], name: &str, text: &str) -> Result<usize, String> {
        let mut count = 0;
        for element in &mut self.elements {
            if !factories.contains(&element.factory.as_str()) {
                continue;
            }
            let found = Inspected::find(&element.factory).ok();
            let Some(pspec) = found.and_then(|found| found.property(name)) else {
                continue;
            };
            value::parse(&pspec, text)?;
            element.properties.retain(|property| property.name != name);
            element.properties.push(PlannedProperty {
                name: name.to_owned(),
                text: text.to_owned(),
                setting: Setting::Value(pspec),
                at: element.at,
            });
            count += 1;
        }
        Ok(count)
    }

    /// Whether an element's property is set.
    pub fn sets(&self, id: &str, name: &str) -> bool {
        let element = self.element(id);
        element.is_some_and(|e| e.properties.iter().any(|property| property.name == name))
    }

    /// The element with an id.
    pub fn element(&self, id: &str) -> Option<&PlannedElement> {
        self.elements.iter().find(|element| element.id == id)
    }

    /// Makes one pipeline, in NULL, on the monotonic system clock unless a sound device takes part.
    pub fn build(&self, bindings: &mut dyn Bindings) -> Result<gst::Pipeline, BuildError> {
        let pipeline = gst::Pipeline::new();
        // A sound device that is made to follow another clock works too, but is corrected now and then by skipping or
        // repeating some milliseconds, which can be heard. On one's own machine there is nothing that asks for that: there
        // the device sets the pace, as gst-launch-1.0 lets it. Served sessions have no device.
        let clock = gst::SystemClock::obtain();
        if !bindings.devices() {
            pipeline.use_clock(Some(&clock));
        }
        // Names inside bins are not ids: a pipeline asked by name could answer with an element of a bin.
        let mut elements = HashMap::new();
        for planned in &self.elements {
            let element = self.make(planned, bindings)?;
            pipeline.add(&element).map_err(|err| BuildError {
                at: planned.at,
                message: format!("`{}` cannot be added: {err}", planned.id),
            })?;
            elements.insert(planned.id.as_str(), element);
        }
        for link in &self.links {
            let fail = |message: String| BuildError {
                at: link.at,
                message,
            };
            let (from, from_pad) =
                end(&pipeline, &elements, &link.from, true, bindings).map_err(fail)?;
            let (to, to_pad) =
                end(&pipeline, &elements, &link.to, false, bindings).map_err(fail)?;
            if link.sometimes {
                link_later(&from, from_pad, &to, to_pad);
                continue;
            }
            from.link_pads(from_pad.as_deref(), &to, to_pad.as_deref())
                .map_err(|_| {
                    fail(format!(
                        "`{}` cannot be linked to `{}`: their formats have nothing in common",
                        from.name(),
                        to.name()
                    ))
                })?;
        }
        Ok(pipeline)
    }

    fn make(
        &self,
        planned: &PlannedElement,
        bindings: &mut dyn Bindings,
    ) -> Result<gst::Element, BuildError> {
        let mut builder = gst::ElementFactory::make(&planned.factory).name(planned.id.as_str());
        // Construct-only properties need all plain values at construction; elements come after.
        let mut later = Vec::new();
        for property in &planned.properties {
            let fail = |message: String| BuildError {
                at: property.at,
                message: format!("`{}`: {message}", property.name),
            };
            let element = match &property.setting {
                Setting::Value(pspec) => {
                    let value = value::parse(pspec, &property.text).map_err(fail)?;
                    if property.name.contains("::") {
                        later.push((property, value));
                    } else {
                        builder = builder.property(&property.name, value);
                    }
                    continue;
                }
                Setting::Bin(text) => {
                    Some(bins::make(text).map_err(|err| fail(err.message().to_string()))?)
                }
                Setting::CallerSource => bindings
                    .audio_source(Some(&planned.factory))
                    .map_err(fail)?,
                Setting::CallerSink => bindings.audio_sink(Some(&planned.factory)).map_err(fail)?,
            };
            if let Some(element) = element {
                builder = builder.property(&property.name, element);
            }
        }
        let element = builder.build().map_err(|err| BuildError {
            at: planned.at,
            message: format!(
                "`{}` ({}) cannot be made: {err}",
                planned.id, planned.factory
            ),
        })?;
        for (property, value) in later {
            let found = element
                .dynamic_cast_ref::<gst::ChildProxy>()
                .and_then(|proxy| proxy.lookup(&property.name).ok());
            let Some((child, pspec)) = found else {
                return Err(BuildError {
                    at: property.at,
                    message: format!("`{}` has no `{}`", planned.id, property.name),
                });
            };
            child.set_property_from_value(pspec.name(), &value);
        }
        Ok(element)
    }
}

type Ready = (gst::Element, Option<String>);

fn end(
    pipeline: &gst::Pipeline,
    elements: &HashMap<&str, gst::Element>,
    end: &PlannedEnd,
    from: bool,
    bindings: &mut dyn Bindings,
) -> Result<Ready, String> {
    match end {
        PlannedEnd::Element { id, pad } => elements
            .get(id.as_str())
            .map(|element| (element.clone(), pad.clone()))
            .ok_or_else(|| format!("there is no element `{id}` in the pipeline")),
        PlannedEnd::Caller(caller) => {
            let element = match (caller, from) {
                (Caller::Audio, true) => bindings.audio_source(None)?,
                (Caller::Audio, false) => bindings.audio_sink(None)?,
                (Caller::Text, true) => Some(bindings.text_source()?),
                (Caller::Text, false) => Some(bindings.text_sink()?),
            };
            let element =
                element.ok_or_else(|| format!("`{}` is bound to nothing", caller.name()))?;
            // A name that no id can have.
            let name = format!("{}-{}", caller.name(), pipeline.children().len());
            element.set_property("name", name);
            pipeline
                .add(&element)
                .map_err(|err| format!("`{}` cannot be added: {err}", caller.name()))?;
            Ok((element, None))
        }
    }
}

/// Links to a pad that appears while data flow, as gst-launch-1.0 does: the first one that fits.
fn link_later(
    from: &gst::Element,
    from_pad: Option<String>,
    to: &gst::Element,
    to_pad: Option<String>,
) {
    let to = to.downgrade();
    from.connect_pad_added(move |from, pad| {
        let Some(to) = to.upgrade() else { return };
        if pad.direction() != gst::PadDirection::Src
            || from_pad.as_deref().is_some_and(|name| pad.name() != name)
        {
            return;
        }
        // Linking twice, or to what does not fit, fails and changes nothing.
        let _ = from.link_pads(Some(pad.name().as_str()), &to, to_pad.as_deref());
    });
}
