//! Accepting connections, and closing those that take too long.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    Limits,
    connections::{Admitted, Connections},
    deadlines::answer,
};
use crate::seldom::Seldom;

/// The most bytes that a connection buffers of what it reads: the longest header.
const BUFFER: usize = 16 * 1024;
/// The pause after the system refused to accept a connection.
const REFUSED: Duration = Duration::from_millis(50);

static TOO_MANY: Seldom = Seldom::new();
static NOT_ACCEPTED: Seldom = Seldom::new();

/// Serves `router` on `listener` until `stop`; requests that have begun are answered then.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let connections = Connections::new(limits.connections);
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => match connections.admit(limits.http.header_timeout) {
                Some(admitted) => {
                    tasks.spawn(connection(stream, router.clone(), admitted, limits, stop.clone()));
                }
                // All of them have requests; this one is closed.
                None => TOO_MANY.log(|| {
                    let most = limits.connections;
                    tracing::warn!(
                        most,
                        "a connection was closed: {most} others are being served (http.max_connections)"
                    );
                }),
            },
            Err(error) => refused(&error, &connections).await,
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// The system accepts no connection. That may be the process's descriptors: one of ours is given back.
async fn refused(error: &io::Error, connections: &Connections) {
    let displaced = connections.displace_longest_waiting();
    NOT_ACCEPTED.log(|| tracing::warn!(%error, displaced, "cannot accept a connection: {error}"));
    tokio::time::sleep(REFUSED).await;
}

async fn connection(stream: TcpStream, router: Router, admitted: Admitted, limits: Limits, stop: CancellationToken) {
    let connection = Arc::clone(&admitted.connection);
    // Answers are small, and written as a whole.
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| answer(router.clone(), request, Arc::clone(&connection), limits.http));
    let mut http = http1::Builder::new();
    // The deadlines are ours: hyper has none for what it writes.
    http.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(BUFFER);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut is_stopping = false;
    loop {
        let why = tokio::select! {
            ended = &mut served => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a client's connection ended");
                }
                return;
            }
            () = connection.overdue() => "it took too long",
            () = connection.displaced.cancelled() => "others need its place",
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                served.as_mut().graceful_shutdown();
                continue;
            }
        };
        tracing::debug!(why, "a client's connection is closed: {why}");
        return;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use sexton_core::config::Http;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const TIME: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Far more than the buffers of two sockets.
    const BODY: usize = 64 * 1024 * 1024;

    #[tokio::test]
    async fn client_that_does_not_take_its_answer_is_let_go() {
        let http = Http {
            max_connections: None,
            header_timeout: PATIENCE,
            body_timeout: PATIENCE,
            request_timeout: PATIENCE,
            idle_timeout: TIME,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { vec![b'x'; BODY] }));
        let server = tokio::spawn(serve(listener, router, Limits { connections: 8, http }, stop.clone()));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        // Only the deadline ends it: the server stops when its last connection has.
        let start = Instant::now();
        tokio::time::sleep(TIME / 2).await;
        stop.cancel();
        tokio::time::timeout(PATIENCE, server).await.expect("the connection stays open").unwrap();
        assert!(start.elapsed() >= TIME, "it had its time");
        let mut taken = Vec::new();
        client.read_to_end(&mut taken).await.ok();
        assert!(taken.len() < BODY, "it was cut off");
    }
}
