// SPDX-License-Identifier: MPL-2.0

//! What every text-to-audio element of gst-duplex does the same way; no GTypes.

pub mod events;
