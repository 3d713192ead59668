// SPDX-License-Identifier: MPL-2.0

//! What whisper.cpp says goes into GStreamer's log, category `whisper.cpp`.

use std::{
    cell::Cell,
    ffi::{CStr, c_char, c_void},
    sync::{LazyLock, Once},
};

use whisper_rs::GGMLLogLevel;

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "whisper.cpp",
        gst::DebugColorFlags::empty(),
        Some("What whisper.cpp and ggml say"),
    )
});

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What fails in this thread was told to.
pub fn expect_failure(expected: bool) {
    EXPECTED.set(expected);
}

/// From now on.
pub fn redirect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the callback lives as long as the process, needs no data and does not unwind.
        unsafe { whisper_rs::set_log_callback(Some(told), std::ptr::null_mut()) }
    });
}

unsafe extern "C" fn told(level: u32, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    let level = match GGMLLogLevel::from(level) {
        // A turn that is cancelled is an error to the library, and none to anybody else.
        GGMLLogLevel::Error if EXPECTED.get() => gst::DebugLevel::Log,
        GGMLLogLevel::Error | GGMLLogLevel::Warn => gst::DebugLevel::Warning,
        GGMLLogLevel::Info => gst::DebugLevel::Debug,
        _ => gst::DebugLevel::Log,
    };
    if level > CAT.threshold() {
        return;
    }
    // SAFETY: the library gives a terminated text that lives during this call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let text = text.trim();
    if !text.is_empty() {
        CAT.log(
            None::<&gst::glib::Object>,
            level,
            gst::glib::GString::from(file!()).as_gstr(),
            "whisper.cpp",
            line!(),
            format_args!("{text}"),
        );
    }
}
