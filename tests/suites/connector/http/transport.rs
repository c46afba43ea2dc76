//! How a target is reached: authorities, proxies, HTTP/2, redirects.

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc};

use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sexton_tests::api::{Answer, Api, Behaviour};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{delete, thing, things};

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Answers 204 to clients that trust its certificate.
async fn tls_server() -> u16 {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Who does not trust it goes away.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.ok();
                stream.shutdown().await.ok();
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authority_of_the_configuration_is_trusted_and_no_other() {
    let port = tls_server().await;
    let settings = format!("url = \"https://localhost:{port}/{{ref}}\"");
    let rig = things(2, &settings).await;
    assert_eq!(
        delete(&rig).await,
        ("dead: exhausted".to_owned(), "crm: no_connection".to_owned()),
        "no authority vouches for it"
    );
    rig.sexton.write("ca.pem", include_str!("tls/ca.pem"));
    rig.reconfigure(&thing(&format!("{settings}\nca_file = \"ca.pem\"")));
    let id = rig.request("thing", &["2"]).await.remove(0);
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    for (text, why) in [("", "it has no certificate"), ("-----BEGIN CERTIFICATE-----\nAAAA\n", "")] {
        rig.sexton.write("ca.pem", text);
        let output = rig.run(&["run", "--until-idle"]).await;
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(output.code != 0 && said.contains("ca.pem (ca_file)") && said.contains(why), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_of_the_target_is_asked_and_resolves_names_itself() {
    let proxy = Api::start().await;
    let url = proxy.url().replace("http://", "http://me:s3cret@");
    let settings = format!("url = \"http://target.invalid/{{ref}}\"\nproxy = \"{url}\"");
    let rig = things(1, &settings).await;
    rig.reconfigure(&thing(&settings).replace("allow_private = true", ""));
    assert_eq!(delete(&rig).await.0, "completed");
    let call = proxy.log().remove(0);
    assert_eq!((call.method.as_str(), call.path_and_query.as_str()), ("DELETE", "http://target.invalid/r1"));
    assert_eq!(call.header("proxy-authorization"), Some("Basic bWU6czNjcmV0"));
    assert_eq!(rig.calls(), Vec::<String>::new());
}

/// A proxy that refuses to connect through waits like refused credentials: the target is not at fault, and no attempt
/// is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_that_refuses_is_named_and_costs_no_attempt() {
    for (status, why) in [(407, "crm: proxy_unauthorized"), (403, "crm: proxy_refused")] {
        let proxy = Api::start().await;
        proxy.set_default(Behaviour::Always(Answer::Status(status)));
        let settings = "url = \"https://target.invalid/{ref}\"\nproxy = \"PROXY\"\nretry = { give_up_after = \"1s\" }";
        let rig = things(1, &settings.replace("PROXY", &proxy.url())).await;
        assert_eq!(delete(&rig).await, ("dead: expired".to_owned(), why.to_owned()));
        let record = rig.show(&rig.one("select id from sexton_deletion").await).await;
        assert_eq!(record["failed_attempts"][0]["outcome"], "unauthorized", "{record:#}");
        assert_eq!(proxy.log()[0].method, "CONNECT");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_spoken_where_it_is_asked_for() {
    let (listener, port) = listen().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                let is_2 = request.version() == hyper::Version::HTTP_2;
                let answer = hyper::Response::builder().status(if is_2 { 204 } else { 400 });
                Ok::<_, Infallible>(answer.body(axum::body::Body::empty()).unwrap())
            });
            let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(http2.serve_connection(TokioIo::new(stream), answer));
        }
    });
    let rig = things(1, &format!("url = \"http://127.0.0.1:{port}/{{ref}}\"\nhttp2 = true")).await;
    assert_eq!(delete(&rig).await.0, "completed");
    rig.reconfigure(&thing("url = \"@API@/{ref}\"\nhttp2 = true"));
    rig.execute("insert into thing (id, ref) values (2, 'r2')").await;
    let id = rig.request("thing", &["2"]).await.remove(0);
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: exhausted", "a server that only speaks HTTP/1 does not understand it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirect_keeps_method_body_and_credentials_within_the_same_server() {
    let settings =
        "method = \"POST\"\nurl = \"@API@/old\"\nbody = { id = \"{ref}\" }\nauth = { bearer = { token = \"t\" } }";
    let rig = things(1, settings).await;
    let to = |place: &str| Answer::WithHeaders(307, vec![("location".to_owned(), place.to_owned())]);
    rig.api.script("/old", vec![to("/a/../new?x=1")]);
    assert_eq!(delete(&rig).await.0, "completed");
    let call = rig.api.log().remove(1);
    assert_eq!((call.method.as_str(), call.path_and_query.as_str()), ("POST", "/new?x=1"));
    assert_eq!((call.header("authorization"), &call.body[..]), (Some("Bearer t"), &br#"{"id":"r1"}"#[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirect_to_another_server_is_not_followed() {
    let other = Api::start().await;
    let rig = things(1, "url = \"@API@/old/{ref}\"").await;
    rig.api
        .script("/old/r1", vec![Answer::WithHeaders(308, vec![("location".to_owned(), format!("{}/x", other.url()))])]);
    assert_eq!(delete(&rig).await, ("dead: rejected".to_owned(), "crm answered 308 (redirect_elsewhere)".to_owned()));
    assert_eq!(other.log().len(), 0, "another port is another server");
}
