// SPDX-License-Identifier: MPL-2.0

//! The GObject class of a chat element.

use gst::{prelude::*, subclass::prelude::*};

use crate::core::{Brain, Host};

/// What an element of this kind does in a change of state, around its parent class.
pub fn change_state<T: Host>(
    imp: &T,
    transition: gst::StateChange,
) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
    let core = imp.core();
    let obj = imp.obj();
    let element: &gst::Element = obj.upcast_ref();
    gst::trace!(core.cat, obj = element, "changing state {transition:?}");
    match transition {
        gst::StateChange::ReadyToPaused => {
            if let Err(message) = core.brain.begin(element) {
                element.post_error_message(message);
                return Err(gst::StateChangeError);
            }
        }
        // Before the pads are deactivated, so that nothing is waited for.
        gst::StateChange::PausedToReady => core.with(|state| {
            state.running = false;
            state.talk.flush();
        }),
        _ => {}
    }
    imp.parent_change_state(transition)
}

/// Stamps the implementation of a chat element into the module that calls it.
macro_rules! chat_element {
    (
        $(#[$meta:meta])*
        $vis:vis struct $imp:ident for $wrapper:ty, brain $brain:ty;
        type_name: $type_name:literal,
        category: $category:literal,
        long_name: $long_name:literal,
        description: $description:expr $(,)?
    ) => {
        static CAT: ::std::sync::LazyLock<gst::DebugCategory> = ::std::sync::LazyLock::new(|| {
            gst::DebugCategory::new($category, gst::DebugColorFlags::empty(), Some($long_name))
        });

        $(#[$meta])*
        $vis struct $imp {
            core: $crate::core::Core<$brain>,
        }

        const _: () = {
            use ::std::sync::LazyLock;
            use gst::{glib, prelude::*, subclass::prelude::*};
            use $crate::{core::{Core, Host}, element, settings};

            #[glib::object_subclass]
            impl ObjectSubclass for $imp {
                const NAME: &'static str = $type_name;
                type Type = $wrapper;
                type ParentType = gst::Element;

                fn with_class(klass: &Self::Class) -> Self {
                    let template = |name| klass.pad_template(name).expect("the class has both templates");
                    Self {
                        core: Core::new::<Self>(*CAT, &template("sink"), &template("src")),
                    }
                }
            }

            impl ObjectImpl for $imp {
                fn properties() -> &'static [glib::ParamSpec] {
                    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties::<$brain>);
                    PROPERTIES.as_ref()
                }

                fn signals() -> &'static [glib::subclass::Signal] {
                    static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> =
                        LazyLock::new(settings::signals::<$imp>);
                    SIGNALS.as_ref()
                }

                fn set_property(&self, _: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
                    settings::set_property(&self.core, value, pspec);
                }

                fn property(&self, _: usize, pspec: &glib::ParamSpec) -> glib::Value {
                    settings::property(&self.core, pspec)
                }

                fn constructed(&self) {
                    self.parent_constructed();
                    self.core.add_pads(self.obj().upcast_ref());
                }
            }

            impl GstObjectImpl for $imp {}

            impl ElementImpl for $imp {
                fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
                    static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                        gst::subclass::ElementMetadata::new(
                            $long_name,
                            "Filter/Text",
                            $description,
                            "gst-duplex developers",
                        )
                    });
                    Some(&*METADATA)
                }

                fn pad_templates() -> &'static [gst::PadTemplate] {
                    settings::pad_templates()
                }

                fn change_state(
                    &self,
                    transition: gst::StateChange,
                ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
                    element::change_state(self, transition)
                }
            }

            impl Host for $imp {
                type Brain = $brain;

                fn core(&self) -> &Core<$brain> {
                    &self.core
                }
            }
        };
    };
}
pub(crate) use chat_element;
