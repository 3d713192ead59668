// SPDX-License-Identifier: MPL-2.0

//! A source whose pads come and go with its callers, as webrtcsrc's do.

use std::sync::LazyLock;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Exchange;

    #[glib::object_subclass]
    impl ObjectSubclass for Exchange {
        const NAME: &'static str = "GstDuplexTestExchange";
        type Type = super::Exchange;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for Exchange {}
    impl GstObjectImpl for Exchange {}
    impl BinImpl for Exchange {}

    impl ElementImpl for Exchange {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let caps = gst::Caps::new_empty_simple("audio/x-raw");
                let template = gst::PadTemplate::new(
                    "audio_%u",
                    gst::PadDirection::Src,
                    gst::PadPresence::Sometimes,
                    &caps,
                );
                vec![template.unwrap()]
            });
            &TEMPLATES
        }
    }
}

glib::wrapper! {
    pub struct Exchange(ObjectSubclass<imp::Exchange>) @extends gst::Bin, gst::Element, gst::Object;
}

impl Exchange {
    pub fn new() -> Self {
        duplex_tests::plugins::init();
        glib::Object::new()
    }

    /// A caller who sends a tone, live, on a pad of that name.
    pub fn call(&self, name: &str) -> gst::Bin {
        let caller = gst::parse::bin_from_description(
            "audiotestsrc is-live=true samplesperbuffer=160 ! capsfilter caps=audio/x-raw,rate=16000,format=S16LE",
            true,
        )
        .unwrap();
        caller.set_property("name", name);
        self.add(&caller).unwrap();
        let pad = gst::GhostPad::builder_from_template_with_target(
            &self.pad_template("audio_%u").unwrap(),
            &caller.static_pad("src").unwrap(),
        )
        .unwrap()
        .name(name)
        .build();
        pad.set_active(true).unwrap();
        self.add_pad(&pad).unwrap();
        caller.sync_state_with_parent().unwrap();
        caller
    }

    /// The caller goes, with an EOS (`politely`) or without.
    pub fn hang_up(&self, caller: &gst::Bin, politely: bool) {
        let pad = self.static_pad(&caller.name()).unwrap();
        if politely {
            caller.send_event(gst::event::Eos::new());
            std::thread::sleep(Duration::from_millis(100));
        }
        caller.set_state(gst::State::Null).unwrap();
        pad.set_active(false).unwrap();
        self.remove_pad(&pad).unwrap();
        self.remove(caller).unwrap();
    }
}
