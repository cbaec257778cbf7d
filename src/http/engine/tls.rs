use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::socket::Socket;
use super::target::Host;
use crate::http::{ErrorKind, HttpError};

/// What a server has to prove.
#[derive(Debug, Default)]
pub(super) struct Options {
    extra_roots: Vec<CertificateDer<'static>>,
    accept_invalid: bool,
}

impl Options {
    /// Trusts the certificates of a PEM file too.
    pub(super) fn add_roots(&mut self, pem: &[u8]) -> Result<(), HttpError> {
        let before = self.extra_roots.len();
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| bad_root().with_source(error))?;
            store
                .add(certificate.clone())
                .map_err(|error| bad_root().with_source(error))?;
            self.extra_roots.push(certificate);
        }
        if self.extra_roots.len() == before {
            return Err(bad_root().with_message("no certificate in PEM form"));
        }
        Ok(())
    }

    pub(super) fn accept_invalid(&mut self) {
        self.accept_invalid = true;
    }

    pub(super) fn connector(self) -> TlsConnector {
        // Named, because a program that has two providers has no default one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring can do every version of TLS that rustls can");
        let mut config = if self.accept_invalid {
            config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AcceptAll(provider)))
                .with_no_client_auth()
        } else {
            let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            roots.add_parsable_certificates(self.extra_roots);
            config.with_root_certificates(roots).with_no_client_auth()
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config).into()
    }
}

/// Makes sure that the other side is `host`.
pub(super) async fn handshake(
    connector: &TlsConnector,
    host: Host<'_>,
    socket: Socket,
) -> Result<TlsStream<Socket>, HttpError> {
    let name = match host {
        Host::Address(address) => ServerName::from(address),
        Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
            .map_err(|error| HttpError::new(ErrorKind::InvalidRequest).with_source(error))?,
    };
    let mut handshake = pin!(connector.connect(name, socket.clone()));
    let done = poll_fn(|cx| socket.drive(cx, |cx| handshake.as_mut().poll(cx)));
    done.await
        .map_err(|error| HttpError::new(ErrorKind::Tls).with_source(error))
}

fn bad_root() -> HttpError {
    HttpError::new(ErrorKind::Tls)
}

/// Takes any certificate for good.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
