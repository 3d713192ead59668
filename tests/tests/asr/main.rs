// SPDX-License-Identifier: MPL-2.0

//! Recognition as an application sees it: recorded and synthesised speech through the ears into `sphinxasr`.

mod confidence;
mod interruptions;
mod life;
mod phrases;
mod rig;
