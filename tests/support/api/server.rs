//! The connections: hyper directly and not a router, because a router cannot reset a connection.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use futures::stream;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Answer, Call, State};

type Shared = Arc<watch::Sender<State>>;

/// Listens on a free port. The server ends, with all its connections, when the task is aborted.
pub(super) async fn start(state: Shared) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let server = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        // Accepting fails for a connection that is already gone, which is the client's affair.
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
            while connections.try_join_next().is_some() {}
        }
    });
    (port, server)
}

async fn serve(stream: TcpStream, state: Shared) {
    let service = service_fn(move |request| handle(request, Arc::clone(&state)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if Pin::new(&mut connection).await.is_err() {
        // Reset was asked for, or the client is gone and does not care. Without lingering, the drop sends RST, not FIN.
        connection.into_parts().io.into_inner().set_zero_linger().ok();
    }
}

async fn handle(request: Request<Incoming>, state: Shared) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.map_err(io::Error::other)?;
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let call = Call {
        at: Instant::now(),
        at_time: SystemTime::now(),
        method: head.method.to_string(),
        path_and_query: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.to_vec(),
        status: None,
        confirmed: false,
    };
    let (path, mut chosen) = (call.path_and_query.clone(), None);
    state.send_modify(|state| {
        let answer = state.answer(&call);
        chosen = Some((state.calls.len(), answer));
        state.began(&call.path_and_query);
        state.calls.push(call);
    });
    let (index, answer) = chosen.expect("send_modify runs its function");
    // When the client goes away, hyper drops this future and the guard with it.
    let _in_flight = InFlight(Arc::clone(&state), path);
    let response = respond(answer).await?;
    state.send_modify(|state| state.answered(index, response.status().as_u16()));
    Ok(response)
}

async fn respond(mut answer: Answer) -> io::Result<Response<Body>> {
    loop {
        let (status, headers, body) = match answer {
            Answer::Delay(pause, then) => {
                tokio::time::sleep(pause).await;
                answer = *then;
                continue;
            }
            Answer::Held(gate, then) => {
                gate.passed().await;
                answer = *then;
                continue;
            }
            Answer::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            Answer::Hang => std::future::pending().await,
            Answer::Status(status) => (status, Vec::new(), Body::empty()),
            Answer::WithHeaders(status, headers) => (status, headers, Body::empty()),
            Answer::StatusBody(status, body) => (status, json_type(&body), Body::from(body)),
            Answer::Full(status, headers, body) => (status, headers, Body::from(body)),
            Answer::Bytes(status, headers, body) => (status, headers, Body::from(body)),
            Answer::SlowBody { status, bytes, pause } => (status, Vec::new(), slow(bytes, pause)),
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        return response.body(body).map_err(io::Error::other);
    }
}

fn json_type(body: &str) -> Vec<(String, String)> {
    let json = body.starts_with(['{', '[']);
    if json { vec![("content-type".to_owned(), "application/json".to_owned())] } else { Vec::new() }
}

fn slow(bytes: usize, pause: Duration) -> Body {
    Body::from_stream(stream::unfold(bytes, move |left| async move {
        let left = left.checked_sub(1)?;
        tokio::time::sleep(pause).await;
        Some((Ok::<_, Infallible>("."), left))
    }))
}

struct InFlight(Shared, String);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.ended(&self.1));
    }
}
