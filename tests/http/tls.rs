//! Who is believed to be whom.

use std::io::{Read, Write};
use std::sync::Arc;

use base64::Engine as _;
use futures_lite::future::block_on;
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use untethered::http::conformance::{Server, response};
use untethered::http::{Client, Engine, EngineBuilder, ErrorKind, HttpError};
use untethered::runtime::threads;

use crate::support::get;

/// A certificate authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: pem(certificate.der()),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server that shows a certificate for `name`, valid until `year`.
    fn server(&self, name: &str, year: i32) -> Server {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        serve(certificate.der().clone(), &key)
    }
}

fn self_signed() -> (Server, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = pem(certificate.der());
    (serve(certificate.der().clone(), &key), pem)
}

fn serve(certificate: CertificateDer<'static>, key: &KeyPair) -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let config = Arc::new(config);
    Server::new(move |peer| {
        let mut session = ServerConnection::new(config.clone()).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut peer.stream);
        let mut received = Vec::new();
        let mut bytes = [0; 1024];
        // Ends with the handshake if the client does not like us.
        while let Ok(n @ 1..) = stream.read(&mut bytes) {
            received.extend(&bytes[..n]);
            if !received.ends_with(b"\r\n\r\n") {
                continue;
            }
            let request = String::from_utf8(std::mem::take(&mut received)).unwrap();
            if request.starts_with("GET /cut ") {
                // Without the word that TLS has for the end: anybody could have cut it.
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").unwrap();
                return;
            }
            stream.write_all(&response(200, &[b'x'; 100_000])).unwrap();
        }
    })
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

fn fetch(
    server: &Server,
    path: &str,
    options: impl Fn(EngineBuilder) -> EngineBuilder,
) -> Result<usize, HttpError> {
    let engine = options(Engine::builder(&threads(1))).build();
    let url = server.url(path).replace("http://", "https://");
    block_on(async {
        let mut len = 0;
        for _ in 0..2 {
            let response = engine.send(get(&url)).await?;
            len += response.into_body().bytes(1 << 20).await?.len();
        }
        Ok(len)
    })
}

#[test]
fn a_root_that_is_trusted() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1", 4000);
    let trusting =
        |builder: EngineBuilder| builder.root_certificates(authority.pem.as_bytes()).unwrap();
    assert_eq!(fetch(&server, "/", trusting).unwrap(), 200_000);
    assert_eq!(server.accepted(), 1, "the connection is used again");
    let error = fetch(&server, "/cut", trusting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error:?}");
    server.finish();
}

#[test]
fn certificates_that_prove_nothing() {
    let authority = Authority::new();
    let trusting =
        |builder: EngineBuilder| builder.root_certificates(authority.pem.as_bytes()).unwrap();
    let refused = |server: &Server, options: &dyn Fn(EngineBuilder) -> EngineBuilder| {
        let error = fetch(server, "/", options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
        assert!(!error.maybe_sent());
    };

    let unknown = authority.server("127.0.0.1", 4000);
    refused(&unknown, &|builder| builder);
    unknown.finish();

    let expired = authority.server("127.0.0.1", 2020);
    refused(&expired, &trusting);
    expired.finish();

    let wrong_host = authority.server("127.0.0.9", 4000);
    refused(&wrong_host, &trusting);
    wrong_host.finish();

    let (server, _) = self_signed();
    refused(&server, &trusting);
    assert_eq!(
        fetch(
            &server,
            "/",
            EngineBuilder::dangerous_accept_invalid_certificates
        )
        .unwrap(),
        200_000
    );
    server.finish();
}

#[test]
fn no_tls_on_the_other_side() {
    let server = Server::new(|peer| {
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.wait_for_close();
    });
    let error = fetch(&server, "/", |builder| builder).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    server.finish();

    let server = Server::new(|peer| peer.close());
    let error = fetch(&server, "/", |builder| builder).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    server.finish();
}

#[test]
fn roots_that_are_none() {
    let builder = || Engine::builder(&threads(1));
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ] {
        let error = builder().root_certificates(pem.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls);
    }
}
