// SPDX-License-Identifier: MPL-2.0

//! Serving conversations to many callers: `duplex serve`.
//!
//! | part | what it does |
//! |---|---|
//! | [`config`] | what the server is told, by command line, environment and file |
//! | [`server`] | the listener, and the end |
//! | [`routes`] | which request goes where; refusals |
//! | [`session`] | one conversation, whatever transport carries it |
//! | [`websocket`], [`webrtc`] | the transports |
//! | [`designs`] | the descriptions |

pub mod about;
pub mod access;
pub mod admission;
pub mod bindings;
pub mod config;
pub mod designs;
pub mod health;
pub mod metrics;
pub mod routes;
pub mod server;
pub mod session;
pub mod socket;
pub mod tls;
pub mod web;
pub mod webrtc;
pub mod websocket;
