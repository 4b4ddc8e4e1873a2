//! The other side of the socket: asks a running gateway, for the command line.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use http::header::{CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::problem::ProblemDocument;
use crate::percent::percent_encoded;

/// The largest answer that is read: a page of records.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// How long an answer is waited for: some things that are read have to be asked of the authorization server first.
const READ_WITHIN: Duration = Duration::from_secs(2 * 60);
/// The same for a change, which may be one of many clients at the authorization server.
const CHANGED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// A way to the gateway that listens on a socket.
#[derive(Debug, Clone)]
pub struct AdminClient {
    socket: PathBuf,
}

/// Why the gateway was not asked, or did not do it.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("the gateway does not run: nobody answers at {} (admin.socket)", .0.display())]
    NotRunning(PathBuf),
    /// The mode of the socket, or of a directory, is in the way.
    #[error("this user may not open {} (admin.socket): its mode or a directory's is in the way; who is named in admin.actors needs one within reach", .0.display())]
    NotAllowed(PathBuf),
    /// The connection broke, or something else than a gateway answered.
    #[error("the gateway at {} did not answer as expected: {reason}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// It was not done, and why.
    #[error("{detail}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// What is wrong.
        detail: String,
    },
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// What it says.
    pub body: T,
    /// Its version, for a change.
    pub etag: Option<HeaderValue>,
}

impl AdminClient {
    /// Asks at this socket.
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<Answered<T>, AskError> {
        self.ask(self.request(Method::GET, target, None)?).await
    }

    /// Changes something.
    pub async fn post<T: DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
        version: Option<HeaderValue>,
    ) -> Result<Answered<T>, AskError> {
        let request = self.request(Method::POST, target, version)?;
        self.ask(self.with_body(request, body)?).await
    }

    /// Puts something in the place of what is there.
    pub async fn put<T: DeserializeOwned>(&self, target: &str, body: &impl Serialize) -> Result<Answered<T>, AskError> {
        let request = self.request(Method::PUT, target, None)?;
        self.ask(self.with_body(request, body)?).await
    }

    fn with_body(&self, mut request: Request<Body>, body: &impl Serialize) -> Result<Request<Body>, AskError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Body::from(body);
        Ok(request)
    }

    /// Deletes something.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        target: &str,
        version: Option<HeaderValue>,
    ) -> Result<Answered<T>, AskError> {
        self.ask(self.request(Method::DELETE, target, version)?).await
    }

    fn request(&self, method: Method, target: &str, version: Option<HeaderValue>) -> Result<Request<Body>, AskError> {
        let request = Request::builder().method(method).uri(target).header(HOST, "gateway");
        let mut request = request.body(Body::empty()).map_err(|error| self.broken(error))?;
        if let Some(version) = version {
            request.headers_mut().insert(IF_MATCH, version);
        }
        Ok(request)
    }

    async fn ask<T: DeserializeOwned>(&self, request: Request<Body>) -> Result<Answered<T>, AskError> {
        let within = if request.method() == Method::GET { READ_WITHIN } else { CHANGED_WITHIN };
        self.ask_within(within, request).await
    }

    async fn ask_within<T: DeserializeOwned>(
        &self,
        within: Duration,
        request: Request<Body>,
    ) -> Result<Answered<T>, AskError> {
        let answered = timeout(within, self.answer(request)).await;
        answered.unwrap_or_else(|_| Err(self.broken(format!("nothing came within {within:?}"))))
    }

    async fn answer<T: DeserializeOwned>(&self, request: Request<Body>) -> Result<Answered<T>, AskError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NotRunning(self.socket.clone()),
            io::ErrorKind::PermissionDenied => AskError::NotAllowed(self.socket.clone()),
            _ => self.broken(error),
        })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        let (status, etag) = (response.status(), response.headers().get(ETAG).cloned());
        let bytes = axum::body::to_bytes(Body::new(response.into_body()), LARGEST_ANSWER).await;
        let bytes = bytes.map_err(|error| self.broken(error))?;
        connection.abort();
        if !status.is_success() {
            return Err(match serde_json::from_slice::<ProblemDocument>(&bytes) {
                Ok(problem) => AskError::Refused { status: status.as_u16(), detail: problem.detail },
                Err(_) => self.broken(format!("status {status}")),
            });
        }
        let text = if status == StatusCode::NO_CONTENT { b"null" } else { &bytes[..] };
        let body = serde_json::from_slice(text).map_err(|error| self.broken(error))?;
        Ok(Answered { body, etag })
    }

    fn broken(&self, reason: impl std::fmt::Display) -> AskError {
        AskError::Broken { socket: self.socket.clone(), reason: reason.to_string() }
    }
}

/// A path with what is not fixed in it, each part as one segment.
pub fn target(path: &str, segment: &str, rest: &str) -> String {
    format!("{path}/{}{rest}", percent_encoded(segment))
}

/// A path with the members of a query that are there.
pub fn query(path: &str, members: &[(&str, Option<String>)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in members {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gateway_that_says_nothing_is_not_waited_for_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("admin.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let client = AdminClient::at(&socket);
        let request = client.request(Method::GET, "/v1/keys", None).unwrap();
        let answered = client.ask_within::<serde_json::Value>(Duration::from_millis(20), request).await;
        assert!(matches!(answered, Err(AskError::Broken { .. })), "{answered:?}");
    }
}
