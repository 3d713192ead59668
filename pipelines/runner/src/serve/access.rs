// SPDX-License-Identifier: MPL-2.0

//! Whether a request may be answered: its token, and the page it comes from.

use axum::http::{HeaderMap, Uri, header};

use super::config::Config;

/// The cookie that a page keeps a token in.
pub const COOKIE: &str = "duplex_token";

/// Whether that token opens this server; any does where it has none.
pub fn is_token(config: &Config, given: Option<&str>) -> bool {
    match (&config.token, given) {
        (None, _) => true,
        (Some(token), Some(given)) => same(token.as_bytes(), given.as_bytes()),
        (Some(_), None) => false,
    }
}

/// Compares all of it, however early it differs.
fn same(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && different == 0
}

/// The token of a request: its header, `?token=`, or the page's cookie.
pub fn token<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<std::borrow::Cow<'a, str>> {
    let header = headers.get(header::AUTHORIZATION);
    let bearer = header.and_then(|value| value.to_str().ok());
    if let Some(bearer) = bearer {
        return bearer
            .strip_prefix("Bearer ")
            .map(|token| token.trim().into());
    }
    let query = uri.query().unwrap_or("").split('&');
    if let Some(token) = query.filter_map(|pair| pair.strip_prefix("token=")).next() {
        return Some(decoded(token).into());
    }
    let cookies = headers.get_all(header::COOKIE).into_iter();
    cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .map(|token| decoded(token).into())
        .next()
}

/// Without percent signs; what is badly written stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a page may connect: one of this server's own, or of an allowed origin. What is no page names none.
pub fn is_origin(config: &Config, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let allowed = &config.origins;
    if allowed
        .iter()
        .any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let scheme = if config.tls.is_some() {
        "https://"
    } else {
        "http://"
    };
    // A proxy that speaks TLS in our place leaves the host as it was.
    [scheme, "https://"].iter().any(|scheme| {
        let own = origin.strip_prefix(scheme);
        own.zip(host)
            .is_some_and(|(own, host)| own.eq_ignore_ascii_case(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(n, v)| (n.clone(), v.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn tokens_come_in_three_ways() {
        let path = |path: &'static str| Uri::from_static(path);
        let bearer = headers(&[(header::AUTHORIZATION, "Bearer s3cret")]);
        let cookie = headers(&[(header::COOKIE, "a=b; duplex_token=s%33cret")]);
        let none = HeaderMap::new();
        for (headers, uri) in [
            (&bearer, path("/")),
            (&none, path("/?x=1&token=s3cr%65t")),
            (&cookie, path("/")),
        ] {
            assert_eq!(token(headers, &uri).as_deref(), Some("s3cret"), "{uri}");
        }
        assert_eq!(token(&none, &path("/?tokens=1")), None);
        let config = Config {
            token: Some("s3cret".into()),
            ..Config::default()
        };
        for (given, opens) in [
            (Some("s3cret"), true),
            (Some("s3cre"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(is_token(&config, given), opens, "{given:?}");
        }
        assert!(is_token(&Config::default(), None));
    }

    #[test]
    fn pages_of_others_are_not_let_in() {
        let config = Config {
            origins: vec!["https://page.example".into()],
            ..Config::default()
        };
        let from = |origin: &str| headers(&[(header::ORIGIN, origin), (header::HOST, "h:8080")]);
        for (origin, allowed) in [
            ("http://h:8080", true),
            ("https://h:8080", true),
            ("https://page.example", true),
            ("http://page.example", false),
            ("http://h", false),
            ("http://h:8080.evil.example", false),
            ("null", false),
        ] {
            assert_eq!(is_origin(&config, &from(origin)), allowed, "{origin}");
        }
        assert!(is_origin(&config, &HeaderMap::new()));
    }
}
