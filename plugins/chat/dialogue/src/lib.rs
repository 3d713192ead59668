// SPDX-License-Identifier: MPL-2.0

//! Who says what in a conversation: turns, answers, what of them was heard, and an embedded partner.
//!
//! Nothing here owns a clock, a thread or a connection. [`Conversation`] decides when a turn is over, when an
//! answer begins, what of it may still leave, and what its [`History`] holds; [`eliza`] is somebody to talk to.

mod conversation;
pub mod eliza;
mod history;

pub use self::conversation::{Action, Config, Conversation, Heard, Piece, Request, Turn};
pub use self::history::{Entry, History, Limits, Role, ToolCall};
