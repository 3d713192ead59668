// SPDX-License-Identifier: MPL-2.0

//! The GObject class of a text-to-audio element, stamped into a plugin.

use gst::{prelude::*, subclass::prelude::*};

use crate::{core::Host, stream::template_caps};

/// The two pad templates, both always there.
pub fn pad_templates() -> Vec<gst::PadTemplate> {
    let text = gst::Caps::builder("text/x-raw")
        .field("format", gst::List::new(["utf8", "pango-markup"]))
        .build();
    [
        ("sink", gst::PadDirection::Sink, text),
        ("src", gst::PadDirection::Src, template_caps()),
    ]
    .into_iter()
    .filter_map(|(name, direction, caps)| {
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
    })
    .collect()
}

/// What an element of this kind does in a change of state, around its parent class.
pub fn change_state<T: Host>(
    imp: &T,
    transition: gst::StateChange,
) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
    let core = imp.core();
    let element = imp.obj();
    let element: &gst::Element = element.upcast_ref();
    gst::trace!(core.cat, obj = element, "changing state {transition:?}");
    match transition {
        gst::StateChange::NullToReady => {
            let opened = core.guard(element, Ok(Err(gst::StateChangeError)), || {
                core.open_engine(element).map(|()| Ok(()))
            });
            match opened {
                Ok(result) => result?,
                Err(message) => {
                    element.post_error_message(message);
                    return Err(gst::StateChangeError);
                }
            }
        }
        // Before the pads are deactivated, so that nothing is waited for.
        gst::StateChange::PausedToReady => core.flush_start(true),
        _ => (),
    }
    let result = imp.parent_change_state(transition);
    match transition {
        gst::StateChange::PausedToPlaying if result.is_ok() => core.playing(),
        gst::StateChange::PausedToReady => core.stopped(),
        gst::StateChange::ReadyToNull => core.guard(element, (), || core.close_engine()),
        gst::StateChange::NullToReady if result.is_err() => core.close_engine(),
        _ => (),
    }
    result
}

/// Stamps the implementation of a text-to-audio element into the module that calls it.
///
/// The plugin wraps it (`glib::wrapper!`) and registers it; its GType bears the plugin's own name.
///
/// ```
/// use gst::{glib, prelude::*};
///
/// glib::wrapper! {
///     /// What the element is.
///     pub struct Tones(ObjectSubclass<imp::Tones>) @extends gst::Element, gst::Object;
/// }
///
/// mod imp {
///     use std::sync::Arc;
///
///     use duplex_synthesis::{Engine, Error, tone::ToneEngine};
///     use duplex_textpad::{Loading, Settings, Speaker};
///
///     duplex_textpad::text_to_audio_element! {
///         /// What the element is.
///         pub struct Tones for super::Tones, speaker Pipes;
///         type_name: "GstDuplexDocTones",
///         category: "tones",
///         long_name: "Tone synthesizer",
///         description: "Sounds each word as a pitch of its own",
///         author: "gst-duplex developers",
///     }
///
///     /// What the plugin adds: its engine, and own properties where it has any.
///     #[derive(Default)]
///     pub struct Pipes;
///
///     impl Speaker for Pipes {
///         fn engine(&self, _: &Settings, _: &Loading<'_>) -> Result<Arc<dyn Engine>, Error> {
///             Ok(Arc::new(ToneEngine::default()))
///         }
///     }
/// }
///
/// fn main() -> Result<(), glib::Error> {
///     gst::init()?;
///     let registered =
///         gst::Element::register(None, "tones", gst::Rank::NONE, Tones::static_type());
///     assert!(registered.is_ok());
///     gst::parse::launch("appsrc ! tones voice=tone rate=1.5 ! fakesink")?;
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! text_to_audio_element {
    (
        $(#[$meta:meta])*
        $vis:vis struct $imp:ident for $wrapper:ty, speaker $speaker:ty;
        type_name: $type_name:literal,
        category: $category:literal,
        long_name: $long_name:literal,
        description: $description:expr,
        author: $author:expr $(,)?
    ) => {
        static CAT: ::std::sync::LazyLock<$crate::gst::DebugCategory> =
            ::std::sync::LazyLock::new(|| {
                $crate::gst::DebugCategory::new(
                    $category,
                    $crate::gst::DebugColorFlags::empty(),
                    Some($long_name),
                )
            });

        $(#[$meta])*
        $vis struct $imp {
            core: $crate::Core<$speaker>,
        }

        const _: () = {
            use ::std::sync::LazyLock;
            use $crate::gst::{glib, prelude::*, subclass::prelude::*};

            #[glib::object_subclass]
            impl ObjectSubclass for $imp {
                const NAME: &'static str = $type_name;
                type Type = $wrapper;
                type ParentType = $crate::gst::Element;

                fn with_class(klass: &Self::Class) -> Self {
                    let template = |name| {
                        klass
                            .pad_template(name)
                            .expect("the class has both templates")
                    };
                    Self {
                        core: $crate::Core::new::<Self>(*CAT, &template("sink"), &template("src")),
                    }
                }
            }

            impl ObjectImpl for $imp {
                fn properties() -> &'static [glib::ParamSpec] {
                    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> =
                        LazyLock::new(|| $crate::properties::<$speaker>());
                    PROPERTIES.as_ref()
                }

                fn set_property(&self, _: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
                    $crate::set_property(&self.core, self.obj().upcast_ref(), value, pspec);
                }

                fn property(&self, _: usize, pspec: &glib::ParamSpec) -> glib::Value {
                    $crate::property(&self.core, pspec)
                }

                fn constructed(&self) {
                    self.parent_constructed();
                    self.core.add_pads(self.obj().upcast_ref());
                }
            }

            impl GstObjectImpl for $imp {}

            impl ElementImpl for $imp {
                fn metadata() -> Option<&'static $crate::gst::subclass::ElementMetadata> {
                    static METADATA: LazyLock<$crate::gst::subclass::ElementMetadata> =
                        LazyLock::new(|| {
                            $crate::gst::subclass::ElementMetadata::new(
                                $long_name,
                                "Synthesizer/Audio/Text",
                                $description,
                                $author,
                            )
                        });
                    Some(&*METADATA)
                }

                fn pad_templates() -> &'static [$crate::gst::PadTemplate] {
                    static TEMPLATES: LazyLock<Vec<$crate::gst::PadTemplate>> =
                        LazyLock::new($crate::pad_templates);
                    TEMPLATES.as_ref()
                }

                fn change_state(
                    &self,
                    transition: $crate::gst::StateChange,
                ) -> Result<$crate::gst::StateChangeSuccess, $crate::gst::StateChangeError> {
                    $crate::change_state(self, transition)
                }
            }

            impl $crate::Host for $imp {
                type Speaker = $speaker;

                fn core(&self) -> &$crate::Core<$speaker> {
                    &self.core
                }
            }
        };
    };
}
