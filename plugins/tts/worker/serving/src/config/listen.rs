// SPDX-License-Identifier: MPL-2.0

//! Where to listen.

use std::{fmt, net::IpAddr, net::SocketAddr, str::FromStr};

use duplex_proto::DEFAULT_PORT;

/// A host, by address or name, and a port; port 0 is any that is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Without brackets.
    pub host: String,
    /// TCP.
    pub port: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: DEFAULT_PORT,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        let parts = text.rsplit_once(':').and_then(|(host, port)| {
            Some(Self {
                host: host_of(host).filter(|host| !host.contains(':'))?,
                port: port.parse().ok()?,
            })
        });
        parts.ok_or_else(|| {
            format!(
                "`{text}` is no address with a port; write for instance 127.0.0.1:{DEFAULT_PORT}, or 127.0.0.1:0 for a free one"
            )
        })
    }
}

/// An address or a name, with or without the brackets of IPv6; `None` where it is neither.
pub(super) fn host_of(text: &str) -> Option<String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let good = bare.parse::<IpAddr>().is_ok() || (!bare.is_empty() && bare.chars().all(name));
    good.then(|| bare.to_owned())
}

impl Listen {
    /// The address that this comes to on this machine; `Err` is a sentence.
    pub async fn resolve(&self) -> Result<SocketAddr, String> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        found
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or_else(|| {
                format!(
                    "`{}` is the name of no machine; listen on 127.0.0.1 for this machine alone, or 0.0.0.0 for all",
                    self.host
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, read) in [
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("[::]:7001", Some("[::]:7001")),
            ("localhost:80", Some("localhost:80")),
            ("7001", None),
            (":7001", None),
            ("::1", None),
            ("host:", None),
            ("host:70000", None),
            ("a b:1", None),
            ("grpc://host:1", None),
        ] {
            let listen = text.parse::<Listen>().ok().map(|l| l.to_string());
            assert_eq!(listen.as_deref(), read, "{text}");
        }
        assert_eq!(host_of("[::]").as_deref(), Some("::"));
        assert_eq!(host_of("0.0.0.0:7001"), None);
    }
}
