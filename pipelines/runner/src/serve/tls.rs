// SPDX-License-Identifier: MPL-2.0

//! Certificates.

use std::fmt::Write;
use std::sync::Arc;

use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
};

/// With a certificate and its key in PEM, its chain behind it; an error is a sentence.
pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, String> {
    let chain: Vec<CertificateDer> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|err| format!("the TLS certificate cannot be read: {err}"))?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|err| format!("the TLS key cannot be read: {err}"))?;
    config(chain, key)
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, String> {
    let fail = |err: rustls::Error| format!("the TLS certificate and key cannot be used: {err}");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(fail)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(fail)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes a certificate for these names and addresses, which nobody else vouches for, and its fingerprint (SHA-256).
pub fn self_signed(names: Vec<String>) -> Result<(Arc<ServerConfig>, String), String> {
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|err| format!("a certificate cannot be made: {err}"))?;
    let certificate = made.cert.der().clone();
    let fingerprint = fingerprint(&certificate);
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((config(vec![certificate], key.into())?, fingerprint))
}

/// As browsers show it.
fn fingerprint(certificate: &[u8]) -> String {
    let provider = ring::default_provider();
    let hash = provider.cipher_suites.iter().find_map(|suite| match suite {
        rustls::SupportedCipherSuite::Tls13(suite)
            if suite.common.hash_provider.output_len() == 32 =>
        {
            Some(suite.common.hash_provider.hash(certificate))
        }
        _ => None,
    });
    let mut text = String::new();
    for byte in hash.iter().flat_map(|hash| hash.as_ref()) {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_and_read_back() {
        let (_, print) = self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        assert_eq!(print.len(), 32 * 3 - 1, "{print}");
        let made = rcgen::generate_simple_self_signed(vec!["h".into()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["h".into()]).unwrap();
        let other = other.signing_key.serialize_pem();
        let err = from_pem(cert.as_bytes(), other.as_bytes()).unwrap_err();
        assert!(err.contains("cannot be used"), "{err}");
        assert!(from_pem(cert.as_bytes(), b"none").is_err());
    }
}
