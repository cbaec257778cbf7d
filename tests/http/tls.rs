//! Who is believed to be whom.

use std::io::{Read, Write};
use std::sync::Arc;

use base64::Engine as _;
use futures_lite::future::block_on;
use rcgen::{CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection};
use untethered::http::conformance::{Server, response};
use untethered::http::{Client, Engine, EngineBuilder, ErrorKind, HttpError};
use untethered::runtime::threads;

use crate::support::get;

/// A certificate authority of our own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
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
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `name`, and its key.
    fn identity(&self, name: &str) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key)
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
    serve_with(certificate, key, Arc::new(NoClientAuth), &[])
}

fn serve_with(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    clients: Arc<dyn ClientCertVerifier>,
    protocols: &[&[u8]],
) -> Server {
    serve_config(config(certificate, key, clients, protocols))
}

fn config(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    clients: Arc<dyn ClientCertVerifier>,
    protocols: &[&[u8]],
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![certificate],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// `/who` is answered with the certificate of the client, `/resumed` with whether its session is
/// one that was begun before.
fn serve_config(config: Arc<ServerConfig>) -> Server {
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
            let mut body = vec![b'x'; 100_000];
            if request.starts_with("GET /who ") {
                body = match stream.conn.peer_certificates() {
                    Some(certificates) => certificates[0].to_vec(),
                    None => Vec::new(),
                };
            }
            if request.starts_with("GET /resumed ") {
                let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
                body = resumed.to_string().into();
            }
            stream.write_all(&response(200, &body)).unwrap();
        }
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    armour("CERTIFICATE", certificate)
}

fn key_pem(key: &KeyPair) -> String {
    armour("PRIVATE KEY", &key.serialize_der())
}

fn armour(what: &str, bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN {what}-----\n{}\n-----END {what}-----\n",
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

// H14
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

// H14
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

// H14
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

// H6
#[test]
fn a_client_certificate_is_shown_to_its_origin_alone() {
    let authority = Authority::new();
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let roots = Arc::new(roots);
    let verifier = || WebPkiClientVerifier::builder_with_provider(roots.clone(), provider());
    let server = |clients| {
        let (certificate, key) = authority.identity("127.0.0.1");
        serve_with(certificate, &key, clients, &[])
    };
    let strict = server(verifier().build().unwrap());
    let curious = server(verifier().allow_unauthenticated().build().unwrap());

    let trusting =
        |builder: EngineBuilder| builder.root_certificates(authority.pem.as_bytes()).unwrap();
    let error = fetch(&strict, "/who", trusting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");

    let (certificate, key) = authority.identity("client");
    let identity = pem(&certificate) + &key_pem(&key);
    let origin = strict.url("/any/path").replace("http://", "HTTPS://");
    let engine = trusting(Engine::builder(&threads(1)))
        .client_certificate(&origin.parse().unwrap(), identity.as_bytes())
        .unwrap()
        .build();
    let who = |server: &Server| {
        let url = server.url("/who").replace("http://", "https://");
        block_on(async {
            let response = engine.send(get(&url)).await.unwrap();
            response.into_body().bytes(10_000).await.unwrap()
        })
    };
    assert_eq!(who(&strict), certificate.as_ref());
    assert_eq!(who(&curious), "");
    drop(engine);
    strict.finish();
    curious.finish();
}

// H6
#[test]
fn a_session_begun_with_a_client_certificate_is_resumed_at_its_origin_alone() {
    let authority = Authority::new();
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let (certificate, key) = authority.identity("127.0.0.1");
    // Two ports of one host that know each other's sessions.
    let config = config(certificate, &key, verifier, &[]);
    let [ours, other] = [config.clone(), config].map(serve_config);

    let (certificate, key) = authority.identity("client");
    let identity = pem(&certificate) + &key_pem(&key);
    let origin = ours.url("/").replace("http://", "https://");
    let engine = Engine::builder(&threads(1))
        .root_certificates(authority.pem.as_bytes())
        .unwrap()
        .client_certificate(&origin.parse().unwrap(), identity.as_bytes())
        .unwrap()
        .no_keep_alive()
        .build();
    let ask = |server: &Server, path: &str| {
        let url = server.url(path).replace("http://", "https://");
        block_on(async {
            let response = engine.send(get(&url)).await.unwrap();
            response.into_body().bytes(10_000).await.unwrap()
        })
    };
    for server in [&ours, &other] {
        assert_eq!(ask(server, "/resumed"), "false");
        assert_eq!(
            ask(server, "/resumed"),
            "true",
            "sessions are resumed at all"
        );
    }
    for _ in 0..2 {
        assert_eq!(ask(&ours, "/who"), certificate.as_ref());
        assert_eq!(ask(&other, "/who"), "", "it is somebody else there");
    }
    drop(engine);
    ours.finish();
    other.finish();
}

#[test]
fn client_certificates_that_are_none() {
    let authority = Authority::new();
    let (certificate, key) = authority.identity("client");
    let (_, other) = authority.identity("other");
    let refused = |origin: &'static str, pem: String| {
        let origin = origin.parse().unwrap();
        let builder = Engine::builder(&threads(1));
        builder
            .client_certificate(&origin, pem.as_bytes())
            .unwrap_err()
            .kind()
    };
    let good = pem(&certificate) + &key_pem(&key);
    for origin in ["http://h/", "/path", "https://h:0/"] {
        assert_eq!(refused(origin, good.clone()), ErrorKind::InvalidRequest);
    }
    let mismatch = pem(&certificate) + &key_pem(&other);
    for pem in [String::new(), pem(&certificate), key_pem(&key), mismatch] {
        assert_eq!(refused("https://h/", pem), ErrorKind::Tls);
    }
}

#[test]
fn a_protocol_that_is_not_spoken() {
    let authority = Authority::new();
    let trusting =
        |builder: EngineBuilder| builder.root_certificates(authority.pem.as_bytes()).unwrap();
    let server = |protocols: &[&[u8]]| {
        let (certificate, key) = authority.identity("127.0.0.1");
        serve_with(certificate, &key, Arc::new(NoClientAuth), protocols)
    };
    let both = server(&[b"h2", b"http/1.1"]);
    assert_eq!(fetch(&both, "/", trusting).unwrap(), 200_000);
    both.finish();
    let newer = server(&[b"h2"]);
    let error = fetch(&newer, "/", trusting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.to_string().contains("HTTP/1.1"), "{error}");
    assert!(!error.maybe_sent());
    newer.finish();
}
