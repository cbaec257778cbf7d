use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::socket::Socket;
use super::target::{Host, Target};
use super::transport::Protocol;
use crate::http::{ErrorKind, HttpError};

/// What a server has to prove, and what is shown to it.
#[derive(Default)]
pub(super) struct Options {
    extra_roots: Vec<CertificateDer<'static>>,
    accept_invalid: bool,
    identities: HashMap<Place, Arc<CertifiedKey>>,
}

/// A host in lower case, and its port.
type Place = (String, u16);

impl Options {
    /// Trusts the certificates of a PEM file too.
    pub(super) fn add_roots(&mut self, pem: &[u8]) -> Result<(), HttpError> {
        let before = self.extra_roots.len();
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| bad_pem().with_source(error))?;
            store
                .add(certificate.clone())
                .map_err(|error| bad_pem().with_source(error))?;
            self.extra_roots.push(certificate);
        }
        if self.extra_roots.len() == before {
            return Err(bad_pem().with_message("no certificate in PEM form"));
        }
        Ok(())
    }

    pub(super) fn accept_invalid(&mut self) {
        self.accept_invalid = true;
    }

    /// Shows a certificate to one server.
    pub(super) fn add_identity(&mut self, target: &Target, pem: &[u8]) -> Result<(), HttpError> {
        let mut chain = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            chain.push(certificate.map_err(|error| bad_pem().with_source(error))?);
        }
        if chain.is_empty() {
            return Err(bad_pem().with_message("no certificate in PEM form"));
        }
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
            let error = bad_pem().with_source(error);
            error.with_message("no private key in PEM form that can be read")
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let identity = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| bad_pem().with_source(error))?;
        self.identities.insert(place(target), Arc::new(identity));
        Ok(())
    }

    pub(super) fn connectors(self) -> Connectors {
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
        config.alpn_protocols = Protocol::OFFERED.map(<[u8]>::to_vec).into();
        let identified = self.identities.into_iter().map(|(place, identity)| {
            let mut config = config.clone();
            config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity));
            // Of its own: a session that is resumed stands for who began it.
            config.resumption = Resumption::default();
            (place, Arc::new(config).into())
        });
        Connectors {
            identified: identified.collect(),
            anonymous: Arc::new(config).into(),
        }
    }
}

/// Makes connections secure.
pub(super) struct Connectors {
    anonymous: TlsConnector,
    identified: HashMap<Place, TlsConnector>,
}

impl Connectors {
    /// Makes sure that the other side is the host of `target`.
    pub(super) async fn handshake(
        &self,
        target: &Target,
        socket: Socket,
    ) -> Result<TlsStream<Socket>, HttpError> {
        let name = match target.host()? {
            Host::Address(address) => ServerName::from(address),
            Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|error| HttpError::new(ErrorKind::InvalidRequest).with_source(error))?,
        };
        let connector = match self.identified.get(&place(target)) {
            Some(connector) => connector,
            None => &self.anonymous,
        };
        let mut handshake = pin!(connector.connect(name, socket.clone()));
        let done = poll_fn(|cx| socket.drive(cx, |cx| handshake.as_mut().poll(cx)));
        done.await.map_err(|error| {
            if is_without_common_protocol(&error) {
                return HttpError::new(ErrorKind::Unsupported)
                    .with_message("the server does not speak HTTP/1.1")
                    .with_source(error);
            }
            HttpError::new(ErrorKind::Tls).with_source(error)
        })
    }
}

impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connectors").finish_non_exhaustive()
    }
}

fn place(target: &Target) -> Place {
    let host = target.origin.authority.host().to_ascii_lowercase();
    (host, target.port)
}

/// Whether the server says that it speaks nothing of what was offered.
fn is_without_common_protocol(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        error,
        Some(rustls::Error::AlertReceived(
            AlertDescription::NoApplicationProtocol
        ))
    )
}

fn bad_pem() -> HttpError {
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
