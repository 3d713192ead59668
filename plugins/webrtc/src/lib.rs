// SPDX-License-Identifier: MPL-2.0

//! Nothing: `Cargo.toml` beside it pins gst-plugin-webrtc, whose elements carry voice over WebRTC and into LiveKit rooms.
