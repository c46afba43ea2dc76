//! One TLS implementation for all clients of the process.

/// Makes `ring` the process's provider of cryptography, unless the application around us has chosen one.
pub(crate) fn install() {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::trace!("a provider of cryptography is installed already");
    }
}
