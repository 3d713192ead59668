// SPDX-License-Identifier: MPL-2.0

//! Where a worker is: `grpc://host:port`, or `grpcs://` where it speaks TLS.

use std::fmt;

use duplex_proto::DEFAULT_PORT;

/// Where a worker is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Its certificate is checked against those that the system trusts.
    pub tls: bool,
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    /// TCP.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "grpcs" } else { "grpc" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl Address {
    /// As an HTTP client wants it.
    pub(crate) fn http(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// The host's name, for its certificate.
    pub(crate) fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Reads one address or several, separated by commas. `Err` is a sentence.
pub fn parse_list(text: &str) -> Result<Vec<Address>, String> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let addresses = parts.map(parse).collect::<Result<Vec<_>, _>>()?;
    if addresses.is_empty() {
        return Err(format!(
            "uri names no worker; write for instance uri=grpc://127.0.0.1:{DEFAULT_PORT}"
        ));
    }
    Ok(addresses)
}

fn parse(text: &str) -> Result<Address, String> {
    let wrong = |what: &str| {
        Err(format!(
            "uri `{text}`: {what}; write for instance grpc://127.0.0.1:{DEFAULT_PORT}"
        ))
    };
    let (tls, rest) = match text.split_once("://") {
        None => (false, text),
        Some(("grpc", rest)) => (false, rest),
        Some(("grpcs", rest)) => (true, rest),
        Some((scheme, _)) => return wrong(&format!("`{scheme}` is neither grpc nor grpcs")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(odd) = rest.find(|c: char| "/?#@".contains(c) || c.is_whitespace()) {
        return wrong(&format!(
            "there is nothing from `{}` on in an address",
            &rest[odd..]
        ));
    }
    let (host, port) = match rest.rfind(':') {
        Some(colon) if !rest[colon..].contains(']') => (&rest[..colon], Some(&rest[colon + 1..])),
        _ => (rest, None),
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return wrong(&format!("`{port}` is no port from 1 to 65535")),
        },
    };
    if host.is_empty() {
        return wrong("there is no host");
    }
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !bracketed {
        return wrong("an IPv6 address stands in brackets");
    }
    Ok(Address {
        tls,
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for (text, read) in [
            ("grpc://localhost:7001", "grpc://localhost:7001"),
            ("localhost:7001", "grpc://localhost:7001"),
            ("10.0.0.7", "grpc://10.0.0.7:7001"),
            (
                "grpcs://voices.example.com:443/",
                "grpcs://voices.example.com:443",
            ),
            ("grpc://[::1]:9", "grpc://[::1]:9"),
            ("[::1]", "grpc://[::1]:7001"),
            (" a:1, grpc://b:2 ,", "grpc://a:1 grpc://b:2"),
        ] {
            let list = parse_list(text).unwrap();
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            assert_eq!(list.join(" "), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_with_one_that_is() {
        for (text, part) in [
            ("", "names no worker"),
            (" , ", "names no worker"),
            ("http://h:1", "`http` is neither grpc nor grpcs"),
            ("grpc://h:0", "`0` is no port"),
            ("grpc://h:70000", "`70000` is no port"),
            ("grpc://h:", "`` is no port"),
            ("grpc://:7001", "no host"),
            ("grpc://h:1/path", "nothing from `/path` on"),
            ("grpc://user@h:1", "nothing from `@h:1` on"),
            ("::1", "in brackets"),
            ("a:1,b:x", "`x` is no port"),
        ] {
            let sentence = parse_list(text).unwrap_err();
            assert!(sentence.contains(part), "{text}: {sentence}");
            assert!(sentence.contains("grpc://127.0.0.1:7001"), "{sentence}");
        }
    }
}
