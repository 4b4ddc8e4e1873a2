//! Mail by SMTP: a plain text for people. No header is put together from a text: the library encodes them, and what others wrote is in
//! the body alone.

use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::failure::Failure;
use super::message::{Message, Reach, Sender};
use super::settings::{SmtpSettings, SmtpTls};
use super::text::{SHOWN, others, plain, said, title};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// For one command of SMTP; a mail takes a few.
const COMMAND: Duration = Duration::from_secs(10);
/// For a whole mail.
pub(super) const WHOLE: Duration = Duration::from_secs(30);

/// A mail server.
pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    gateway: String,
}

impl Smtp {
    pub(super) fn new(settings: &SmtpSettings, password: Option<&Secret>, reach: &Reach) -> Result<Self, String> {
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|error| format!("{text:?}: {error}"));
        let tls = match settings.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::Starttls => Tls::Required(parameters(settings, reach)?),
            SmtpTls::Required => Tls::Wrapper(parameters(settings, reach)?),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.server);
        let mut builder = builder.port(settings.port()).timeout(Some(COMMAND)).tls(tls);
        if let (Some(username), Some(password)) = (&settings.username, password) {
            builder = builder.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
        }
        Ok(Self {
            transport: builder.build(),
            from: mailbox(&settings.from)?,
            to: settings.to.iter().map(mailbox).collect::<Result<_, _>>()?,
            gateway: reach.gateway.clone(),
        })
    }

    fn mail(&self, message: &Message, now: Timestamp) -> Result<Mail, String> {
        let title = plain(&title(&message.notices, message.more));
        let since = Duration::from_millis(u64::try_from(now.unix_millis()).unwrap_or_default());
        let mut mail = Mail::builder()
            .from(self.from.clone())
            .subject(format!("[dcr-gateway] {title}"))
            .date(UNIX_EPOCH + since)
            // The same at each attempt.
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mut mail = mail.body(self.text(message)).map_err(|error| error.to_string())?;
        // RFC 3834 §5: nobody's holiday answers a machine.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.headers_mut().insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
        Ok(mail)
    }

    fn text(&self, message: &Message) -> String {
        let mut lines = Vec::new();
        for notice in message.notices.iter().take(SHOWN) {
            lines.push(said(notice));
            lines.extend(notice.link.clone());
            lines.push(format!("{}, {}\n", notice.at, notice.name));
        }
        lines.extend(others(message));
        lines.push(format!("-- \ndcr-gateway at {}", self.gateway));
        lines.join("\n")
    }
}

fn parameters(settings: &SmtpSettings, reach: &Reach) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.server.clone());
    for der in &reach.trust {
        builder = builder.add_root_certificate(Certificate::from_der(der.clone()).map_err(|error| error.to_string())?);
    }
    builder.build().map_err(|error| error.to_string())
}

#[async_trait]
impl Sender for Smtp {
    async fn send(&self, messages: &[Message], now: Timestamp) -> Result<(), Failure> {
        for message in messages {
            let mail = self.mail(message, now).map_err(Failure::Refused)?;
            let sent = tokio::time::timeout(WHOLE, self.transport.send(mail)).await;
            sent.map_err(|_| Failure::down(format!("it took longer than {WHOLE:?}")))?.map_err(failed)?;
        }
        Ok(())
    }
}

/// A mail that is refused for good is refused by itself; a server that wants another password refuses all.
fn failed(error: SmtpError) -> Failure {
    let is_about_us = error.status().is_some_and(|code| matches!(u16::from(code), 500..=535));
    if error.is_permanent() && !is_about_us { Failure::Refused(error.to_string()) } else { Failure::down(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notice::{Notice, Topic};

    #[test]
    fn no_text_becomes_a_header() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let yaml = "{ server: localhost, tls: none, from: Gate <g@example.com>, to: [o@example.com] }";
        let settings: SmtpSettings = serde_yaml::from_str(yaml).unwrap();
        let reach = Reach {
            client: crate::fetch::FetchClient::new(&crate::fetch::settings::FetchSettings::default()).unwrap(),
            trust: Vec::new(),
            gateway: "https://sso.example.com".to_owned(),
        };
        let smtp = Smtp::new(&settings, None, &reach).unwrap();
        let at = Timestamp::from_unix_millis(1_700_000_000_000);
        let hostile = "x\r\nBcc: everybody@evil.example\r\n\r\n.\r\nMAIL FROM:<a@b>";
        let notice = Notice::new(Topic::Health, "test", "k", at).saying(hostile, hostile);
        let message = Message { id: "abc".to_owned(), notices: vec![notice], more: 0 };
        let text = String::from_utf8(smtp.mail(&message, at).unwrap().formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split(':').next())
            .collect();
        for name in &names {
            assert!(
                [
                    "From",
                    "Subject",
                    "Date",
                    "Message-ID",
                    "Content-Type",
                    "To",
                    "Content-Transfer-Encoding",
                    "Auto-Submitted",
                    "MIME-Version"
                ]
                .contains(name),
                "{name}: {head}"
            );
        }
        assert!(head.contains("Message-ID: <abc@example.com>"), "{head}");
    }
}
