// SPDX-License-Identifier: MPL-2.0

//! The ears as an application sees them: `vad` and `vadsrc` on recorded speech.

mod echo;
mod exchange;
mod gate;
mod mouth;
mod onset;
mod properties;
mod reference;
mod rig;
mod source;
mod speech;
