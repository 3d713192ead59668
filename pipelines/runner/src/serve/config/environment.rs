// SPDX-License-Identifier: MPL-2.0

//! Variables of the environment, which go before the file.

use super::file::check_token;
use super::old::{self, Given, Old};
use super::{Level, Override, Told};

/// Holds the token; over the file's.
pub const TOKEN: &str = "DUPLEX_SERVE_TOKEN";

/// Elements that ask a language model.
const CHAT: &[&str] = &["chatllm"];

/// Takes what the environment says; gives what is wrong with it. A variable that is empty is none.
pub(super) fn over(
    told: &mut Told,
    old: &mut Old,
    environment: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let mut read = |name: &str, act: &mut dyn FnMut(&str) -> Result<(), String>| {
        if let Some(value) = set(name)
            && let Err(what) = act(&value)
        {
            problems.push(format!("{name}: {what}"));
        }
    };
    read("ORCHESTRATOR_WS_PORT", &mut |text| {
        let port = text.parse().ok().filter(|port| *port >= 1_024);
        told.config.port = port.ok_or_else(|| format!("`{text}` is no port from 1024 to 65535"))?;
        Ok(())
    });
    read(TOKEN, &mut |text| {
        told.config.token = Some(check_token(text)?);
        Ok(())
    });
    read("LOG_LEVEL", &mut |text| {
        told.level = Level::read(text)?;
        Ok(())
    });
    if set("REDIS_URL").is_some() {
        old.redis = Some("REDIS_URL".into());
    }
    let livekit = ["LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"];
    if let Some(name) = livekit.into_iter().find(|name| set(name).is_some()) {
        old.livekit = Some(name.into());
    }
    read("ASR_ENABLED", &mut |text| {
        let on = ["true", "1", "yes"].contains(&text.to_ascii_lowercase().as_str());
        old.asr_enabled = Some((on, "ASR_ENABLED".into()));
        Ok(())
    });
    type Read = fn(&str) -> Result<String, String>;
    let texts: [(&str, &mut Given<String>, Read); 5] = [
        ("ASR_ADAPTER", &mut old.asr_adapter, |t| {
            old::one_of(t, &old::ADAPTERS)
        }),
        ("ASR_MODEL_SIZE", &mut old.asr_model_size, |t| {
            old::one_of(t, &old::SIZES)
        }),
        ("ASR_LANGUAGE", &mut old.asr_language, old::language),
        ("ASR_DEVICE", &mut old.asr_device, old::device),
        ("ASR_COMPUTE_TYPE", &mut old.asr_compute_type, |t| {
            Ok(t.to_owned())
        }),
    ];
    for (name, place, check) in texts {
        read(name, &mut |text| {
            *place = Some((check(text)?, name.into()));
            Ok(())
        });
    }
    for (name, property) in [
        ("OPENAI_API_KEY", "api-key"),
        ("OPENAI_BASE_URL", "uri"),
        ("OPENAI_MODEL", "model"),
    ] {
        read(name, &mut |text| {
            told.overrides.push(Override {
                factories: CHAT,
                property,
                value: text.to_owned(),
                from: name.into(),
            });
            Ok(())
        });
    }
    problems
}
