//! One request: its body, its handler and its answer, each within its time.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Request, Response, StatusCode, header},
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    service::Service as _,
};
use hyper_util::service::TowerToHyperService;
use sexton_core::config::Http;
use tokio::time::Sleep;

use super::connections::Connection;

/// Has `router` answer a request within the deadlines.
pub(super) async fn answer(
    router: Router,
    request: Request<Incoming>,
    connection: Arc<Connection>,
    http: Http,
) -> Result<Response<Body>, Infallible> {
    // The handler has its own deadline below; this one is for what comes between.
    let time = http.request_timeout.saturating_mul(2);
    connection.is_busy_for(time);
    let left = Box::pin(tokio::time::sleep(http.body_timeout));
    let of_body = Arc::clone(&connection);
    let request = request.map(|body| TimedBody { body, left, connection: of_body, time });
    let handled = TowerToHyperService::new(router).call(request);
    let response = match tokio::time::timeout(http.request_timeout, handled).await {
        Ok(response) => response?,
        Err(_) => took_too_long(http),
    };
    connection.is_busy_for(http.request_timeout);
    let sent = Sent { connection, http };
    Ok(response.map(|body| Body::new(AnswerBody { body, _sent: sent })))
}

/// The answer to a request whose handler did not end in time (RFC 9457).
fn took_too_long(http: Http) -> Response<Body> {
    let detail = format!("the request took longer than {:?}; whether it was done is unknown", http.request_timeout);
    let problem = serde_json::json!({
        "type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": detail,
    });
    let mut response = Response::new(Body::from(problem.to_string()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of a request did not arrive in time.
#[derive(Debug)]
pub(crate) struct BodyTooSlow;

impl fmt::Display for BodyTooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not arrive in time")
    }
}

impl std::error::Error for BodyTooSlow {}

/// The body of a request, which fails when its time is over. While there is nothing of it to read, its connection waits
/// like one without a request, and may have to make room: nothing was done yet.
struct TimedBody {
    body: Incoming,
    left: Pin<Box<Sleep>>,
    connection: Arc<Connection>,
    /// What the request has once its body is there.
    time: Duration,
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => {
                self.connection.is_busy_for(self.time);
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                self.connection.waits_for(self.time);
                self.left.as_mut().poll(context).map(|()| Some(Err(BodyTooSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, which says when the server has taken all of it.
struct AnswerBody {
    body: Body,
    _sent: Sent,
}

/// Dropped with the answer: from then on the connection waits for the next request.
struct Sent {
    connection: Arc<Connection>,
    http: Http,
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.connection.waits_for(self.http.idle_timeout);
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
