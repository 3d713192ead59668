// SPDX-License-Identifier: MPL-2.0

//! Elements that tests put where nature would be: `testear`, an ear that hears what the test says
//! it hears, `testscribe`, which takes sound and writes the text that the test gives it, `testasker`, whose signal
//! has the name of an ear's and wants an answer, and `testslowvoice`, a synthesizer whose rate has a range of its own.
//!
//! Call [`register`] after `gst::init()`, as often as you like.

use gst::{glib, prelude::*, subclass::prelude::*};

glib::wrapper! {
    /// Passes sound through, and emits an ear's signals when [`TestEar::hear`] says so.
    pub struct TestEar(ObjectSubclass<ear::TestEar>) @extends gst::Element, gst::Object;
}

glib::wrapper! {
    /// Sound in, text out.
    pub struct TestScribe(ObjectSubclass<scribe::TestScribe>) @extends gst::Element, gst::Object;
}

glib::wrapper! {
    /// Sound in, sound out, and a signal that an ear cannot have.
    pub struct TestAsker(ObjectSubclass<odd::TestAsker>) @extends gst::Element, gst::Object;
}

glib::wrapper! {
    /// Text in, no sound out.
    pub struct TestSlowVoice(ObjectSubclass<odd::TestSlowVoice>) @extends gst::Element, gst::Object;
}

impl TestEar {
    /// Emits a signal of an ear from the calling thread, as its streaming thread would.
    pub fn hear(&self, signal: &str) {
        let now = self
            .current_running_time()
            .map_or(0, |time| time.nseconds());
        self.emit_by_name::<()>(signal, &[&now, &now, &0.9f64]);
    }

    /// How many frames of the far end were reported, and how many of those were not silent.
    pub fn far_end(&self) -> (u64, u64) {
        let counts = self.imp().counts.lock().unwrap();
        (counts.frames, counts.loud)
    }

    /// How many buffers have passed.
    pub fn passed(&self) -> u64 {
        self.imp().counts.lock().unwrap().passed
    }
}

/// Makes the elements known to this process.
pub fn register() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for (name, kind) in [
            ("testear", TestEar::static_type()),
            ("testscribe", TestScribe::static_type()),
            ("testasker", TestAsker::static_type()),
            ("testslowvoice", TestSlowVoice::static_type()),
        ] {
            gst::Element::register(None, name, gst::Rank::NONE, kind)
                .expect("it can be registered");
        }
    });
}

fn templates(sink: &str, src: &str) -> Vec<gst::PadTemplate> {
    let template = |name, direction, caps: &str| {
        let caps = caps.parse::<gst::Caps>().unwrap();
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).unwrap()
    };
    vec![
        template("sink", gst::PadDirection::Sink, sink),
        template("src", gst::PadDirection::Src, src),
    ]
}

mod ear {
    use std::sync::{LazyLock, Mutex, OnceLock};

    use super::*;

    #[derive(Default)]
    pub struct Counts {
        pub frames: u64,
        pub loud: u64,
        pub passed: u64,
    }

    pub struct TestEar {
        sinkpad: gst::Pad,
        srcpad: gst::Pad,
        pub counts: Mutex<Counts>,
        latency: Mutex<u64>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TestEar {
        const NAME: &'static str = "GstDuplexTestsEar";
        type Type = super::TestEar;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let sinkpad = gst::Pad::builder_from_template(&class.pad_template("sink").unwrap())
                .chain_function(|_, parent, buffer| {
                    let ear = parent.unwrap().downcast_ref::<super::TestEar>().unwrap();
                    ear.imp().counts.lock().unwrap().passed += 1;
                    ear.imp().srcpad.push(buffer)
                })
                .flags(gst::PadFlags::PROXY_CAPS)
                .build();
            let srcpad = gst::Pad::builder_from_template(&class.pad_template("src").unwrap())
                .query_function(|pad, parent, query| {
                    let ear = parent.unwrap().downcast_ref::<super::TestEar>().unwrap();
                    let done = gst::Pad::query_default(pad, parent, query);
                    if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
                        let more =
                            gst::ClockTime::from_nseconds(*ear.imp().latency.lock().unwrap());
                        let (live, min, max) = latency.result();
                        latency.set(live, min + more, max.map(|max| max + more));
                    }
                    done
                })
                .flags(gst::PadFlags::PROXY_CAPS)
                .build();
            Self {
                sinkpad,
                srcpad,
                counts: Mutex::default(),
                latency: Mutex::default(),
            }
        }
    }

    impl ObjectImpl for TestEar {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: OnceLock<Vec<glib::ParamSpec>> = OnceLock::new();
            PROPERTIES.get_or_init(|| {
                vec![
                    glib::ParamSpecUInt64::builder("latency")
                        .nick("Latency")
                        .blurb("What it adds to the LATENCY of its chain, in ns")
                        .build(),
                ]
            })
        }

        fn set_property(&self, _: usize, value: &glib::Value, _: &glib::ParamSpec) {
            *self.latency.lock().unwrap() = value.get().unwrap();
        }

        fn property(&self, _: usize, _: &glib::ParamSpec) -> glib::Value {
            self.latency.lock().unwrap().to_value()
        }

        fn signals() -> &'static [glib::subclass::Signal] {
            static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
                use glib::subclass::Signal;
                let ear = |name| {
                    Signal::builder(name)
                        .param_types([u64::static_type(), u64::static_type(), f64::static_type()])
                        .build()
                };
                vec![
                    ear("speech-onset"),
                    ear("speech-started"),
                    ear("speech-cancelled"),
                    ear("speech-ended"),
                    Signal::builder("far-end")
                        .action()
                        .run_last()
                        .param_types([gst::Structure::static_type()])
                        .class_handler(|values| {
                            let ear = values[0].get::<super::TestEar>().unwrap();
                            let report = values[1].get::<gst::Structure>().unwrap();
                            let mut counts = ear.imp().counts.lock().unwrap();
                            counts.frames += 1;
                            counts.loud += u64::from(report.get::<f64>("rms-db").unwrap() > -60.0);
                            assert!(report.get::<u64>("duration").unwrap() > 0);
                            None
                        })
                        .build(),
                ]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.obj().add_pad(&self.sinkpad).unwrap();
            self.obj().add_pad(&self.srcpad).unwrap();
        }
    }

    impl GstObjectImpl for TestEar {}

    impl ElementImpl for TestEar {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Ear", "Filter/Audio", "For tests", "us")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| templates("audio/x-raw", "audio/x-raw"));
            &TEMPLATES
        }
    }
}

mod scribe {
    use std::sync::{
        LazyLock, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    pub struct TestScribe {
        sinkpad: gst::Pad,
        srcpad: gst::Pad,
        text: Mutex<Option<String>>,
        each: AtomicBool,
    }

    impl TestScribe {
        fn event(&self, event: gst::Event) -> bool {
            match event.type_() {
                gst::EventType::Caps => {
                    let caps = gst::Caps::builder("text/x-raw")
                        .field("format", "utf8")
                        .build();
                    self.srcpad.push_event(gst::event::Caps::new(&caps))
                }
                _ => gst::Pad::event_default(&self.sinkpad, Some(&*self.obj()), event),
            }
        }

        fn chain(&self) -> Result<gst::FlowSuccess, gst::FlowError> {
            let text = match self.each.load(Ordering::Relaxed) {
                true => self.text.lock().unwrap().clone(),
                false => self.text.lock().unwrap().take(),
            };
            match text {
                Some(text) => self.srcpad.push(gst::Buffer::from_slice(text.into_bytes())),
                None => Ok(gst::FlowSuccess::Ok),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TestScribe {
        const NAME: &'static str = "GstDuplexTestsScribe";
        type Type = super::TestScribe;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let this = |parent: Option<&gst::Object>| {
                parent
                    .and_then(|parent| parent.downcast_ref::<super::TestScribe>())
                    .unwrap()
                    .clone()
            };
            Self {
                sinkpad: gst::Pad::builder_from_template(&class.pad_template("sink").unwrap())
                    .chain_function(move |_, parent, _| this(parent).imp().chain())
                    .event_function(move |_, parent, event| this(parent).imp().event(event))
                    .build(),
                srcpad: gst::Pad::from_template(&class.pad_template("src").unwrap()),
                text: Mutex::default(),
                each: AtomicBool::default(),
            }
        }
    }

    impl ObjectImpl for TestScribe {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: OnceLock<Vec<glib::ParamSpec>> = OnceLock::new();
            PROPERTIES.get_or_init(|| {
                vec![
                    glib::ParamSpecString::builder("text")
                        .nick("Text")
                        .blurb("What it writes at the next buffer, once")
                        .build(),
                    glib::ParamSpecBoolean::builder("each")
                        .nick("Each")
                        .blurb("It writes that at each buffer")
                        .build(),
                ]
            })
        }

        fn set_property(&self, _: usize, value: &glib::Value, spec: &glib::ParamSpec) {
            match spec.name() {
                "each" => self.each.store(value.get().unwrap(), Ordering::Relaxed),
                _ => *self.text.lock().unwrap() = value.get().unwrap(),
            }
        }

        fn property(&self, _: usize, spec: &glib::ParamSpec) -> glib::Value {
            match spec.name() {
                "each" => self.each.load(Ordering::Relaxed).to_value(),
                _ => self.text.lock().unwrap().to_value(),
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.obj().add_pad(&self.sinkpad).unwrap();
            self.obj().add_pad(&self.srcpad).unwrap();
        }
    }

    impl GstObjectImpl for TestScribe {}

    impl ElementImpl for TestScribe {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Scribe",
                    "Filter/Audio/Text",
                    "For tests",
                    "us",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| templates("audio/x-raw", "text/x-raw, format=utf8"));
            &TEMPLATES
        }
    }
}

mod odd {
    use std::sync::{LazyLock, Mutex, OnceLock};

    use super::*;

    fn add_pads(element: &gst::Element, templates: &[gst::PadTemplate]) {
        for template in templates {
            element.add_pad(&gst::Pad::from_template(template)).unwrap();
        }
    }

    #[derive(Default)]
    pub struct TestAsker;

    #[glib::object_subclass]
    impl ObjectSubclass for TestAsker {
        const NAME: &'static str = "GstDuplexTestsAsker";
        type Type = super::TestAsker;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for TestAsker {
        fn signals() -> &'static [glib::subclass::Signal] {
            static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
                vec![
                    glib::subclass::Signal::builder("speech-started")
                        .return_type::<bool>()
                        .build(),
                ]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            add_pads(self.obj().upcast_ref(), Self::pad_templates());
        }
    }

    impl GstObjectImpl for TestAsker {}

    impl ElementImpl for TestAsker {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Asker", "Filter/Audio", "For tests", "us")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| templates("audio/x-raw", "audio/x-raw"));
            &TEMPLATES
        }
    }

    #[derive(Default)]
    pub struct TestSlowVoice(Mutex<f64>);

    #[glib::object_subclass]
    impl ObjectSubclass for TestSlowVoice {
        const NAME: &'static str = "GstDuplexTestsSlowVoice";
        type Type = super::TestSlowVoice;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for TestSlowVoice {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: OnceLock<Vec<glib::ParamSpec>> = OnceLock::new();
            PROPERTIES.get_or_init(|| {
                vec![
                    glib::ParamSpecDouble::builder("rate")
                        .minimum(0.5)
                        .maximum(2.0)
                        .default_value(1.0)
                        .build(),
                ]
            })
        }

        fn set_property(&self, _: usize, value: &glib::Value, _: &glib::ParamSpec) {
            *self.0.lock().unwrap() = value.get().unwrap();
        }

        fn property(&self, _: usize, _: &glib::ParamSpec) -> glib::Value {
            self.0.lock().unwrap().to_value()
        }

        fn constructed(&self) {
            self.parent_constructed();
            add_pads(self.obj().upcast_ref(), Self::pad_templates());
        }
    }

    impl GstObjectImpl for TestSlowVoice {}

    impl ElementImpl for TestSlowVoice {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Slow voice",
                    "Synthesizer/Audio/Text",
                    "For tests",
                    "us",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| templates("text/x-raw, format=utf8", "audio/x-raw"));
            &TEMPLATES
        }
    }
}
