//! What is answered to a client that was taken out of use: an error of OAuth's, or a page where a browser asks.

use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};

use super::form;
use super::handler::{Answer, Head, UnverifiedClients};
use super::reason::Reason;
use super::refusal::Refusal;
use super::refused;
use super::rulebook::Rulebook;
use crate::authorization_server::client_endpoints::ClientEndpoint;

/// Why the client may not go on, in the terms of the endpoint.
pub(super) fn refusal(clients: &UnverifiedClients, endpoint: ClientEndpoint) -> Refusal {
    match endpoint {
        ClientEndpoint::Authorization => Reason::ClientOutOfUseInBrowser.into(),
        // RFC 6749 §5.2: a challenge where HTTP Basic was used; elsewhere it would have browsers ask people for a password.
        ClientEndpoint::Token | ClientEndpoint::BackChannel if clients.by_basic => {
            let challenge = HeaderValue::from_static(r#"Basic realm="clients""#);
            Refusal::from(Reason::ClientOutOfUse).header(WWW_AUTHENTICATE, challenge)
        }
        ClientEndpoint::Token | ClientEndpoint::BackChannel => Reason::ClientOutOfUse.into(),
    }
}

/// The answer to a client that may not go on: an error of OAuth's, or a page where a browser asks. Never a redirect: where it would
/// lead is what nobody vouches for any more (RFC 6749 §4.1.2.1).
pub(super) fn answer(rulebook: &Rulebook, head: &Head, refusal: Refusal, endpoint: ClientEndpoint) -> Answer {
    let is_for_people = endpoint == ClientEndpoint::Authorization && takes_html(head);
    let mut answer = refused(refusal, head);
    if is_for_people {
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        answer.headers.insert("content-security-policy", HeaderValue::from_static(NOTHING_LOADS));
        answer.body = Bytes::from(page(&head.request_id));
    }
    rulebook.cors.decorate(head, form::ALLOWED, answer)
}

const NOTHING_LOADS: &str = "default-src 'none'; frame-ancestors 'none'";

fn takes_html(head: &Head) -> bool {
    head.headers
        .get_all(ACCEPT)
        .iter()
        .any(|value| value.as_bytes().to_ascii_lowercase().windows(9).any(|w| w == b"text/html"))
}

/// Nothing of the request stands in it but the name that we gave it.
fn page(request_id: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not possible</title></head>\n\
         <body><h1>This application cannot sign you in</h1>\n<p>Go back to the application and connect it again. If that does not help, \
         give its maker this number: {request_id}</p></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_sent_where_basic_was_used() {
        let challenged = |by_basic, endpoint| {
            let clients = UnverifiedClients { by_basic, ..UnverifiedClients::default() };
            refusal(&clients, endpoint).answer("r").headers.contains_key(WWW_AUTHENTICATE)
        };
        assert!(challenged(true, ClientEndpoint::Token));
        assert!(!challenged(false, ClientEndpoint::Token), "browsers would ask people for a password");
        assert!(!challenged(true, ClientEndpoint::Authorization));
    }
}
