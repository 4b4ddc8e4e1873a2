//! Pingora's errors as they may be told. Of a head that it cannot read Pingora says all that it has read, the body behind it as well: a client
//! with its secret, a token.

use pingora::Error;

/// The error and its causes as Pingora writes them, without what was read.
pub(super) fn error_text(error: &Error) -> String {
    let mut text = error.source_str().to_owned();
    let mut next = Some(error);
    while let Some(error) = next.take() {
        text = format!("{text} {}", error.etype().as_str());
        if let Some(context) = error.context.as_ref().map(|context| context.as_str()).filter(|text| !quotes(text)) {
            text = format!("{text} context: {context}");
        }
        let Some(cause) = &error.cause else { break };
        match cause.downcast_ref::<Box<Error>>() {
            Some(cause) => {
                text += " cause:";
                next = Some(cause);
            }
            None => text = format!("{text} cause: {cause}"),
        }
    }
    // Most have no source, which is written before a blank.
    text.trim_start().to_owned()
}

/// Whether it holds a piece of what was read, which Pingora announces with this word.
fn quotes(context: &str) -> bool {
    context.contains("buf")
}

#[cfg(test)]
mod tests {
    use pingora::ErrorType;

    use super::*;

    #[test]
    fn what_was_read_is_not_told_and_all_else_is() {
        let read = "buf: HTTP/1.1 200 OK\\r\\nX Bad: 1\\r\\n\\r\\n{\"client_secret\":\"s3cr3t\"}";
        let error = Error::because(ErrorType::InvalidHTTPHeader, read, "invalid header name").into_up();
        assert_eq!(error_text(&error), "Upstream InvalidHTTPHeader cause: invalid header name");
        let error = error.more_context("while reading the answer");
        let expected = "Upstream InvalidHTTPHeader context: while reading the answer cause: InvalidHTTPHeader cause: invalid header name";
        assert_eq!(error_text(&error), expected);
        assert_eq!(error_text(&Error::new(ErrorType::ConnectionClosed)), "ConnectionClosed");
    }
}
