//! Whom to trust that a server is the one it says it is.

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use super::Settings;
use super::failure::Failure;

/// More than all certificates of a system take.
const LARGEST: u64 = 64 << 20;

/// The certificates of the system, or those of a file that the environment names.
pub(super) fn certificates(settings: &Settings) -> Result<RootCerts, Failure> {
    let Some(path) = &settings.certificates else {
        return Ok(RootCerts::PlatformVerifier);
    };
    let text = vene_files::read(path, LARGEST).map_err(Failure::disk(path))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        let problem = format!("{} holds no certificate", path.display());
        return Err(Failure::Certificate(problem));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
