//! A mail server: as much of SMTP (RFC 5321) as a sender needs, with TLS from the first octet, after STARTTLS, or none; it keeps what it takes.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

const PATIENCE: Duration = Duration::from_secs(60);

/// Who may sign in: anything else is refused.
pub const USER: (&str, &str) = ("dcr", "hunter2");

/// When TLS begins.
#[derive(Clone)]
pub enum Tls {
    None,
    Starttls(Arc<ServerConfig>),
    Required(Arc<ServerConfig>),
}

/// A mail as it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Head and body.
    pub text: String,
    pub was_encrypted: bool,
    pub signed_in_as: Option<String>,
}

#[derive(Clone)]
pub struct MailServer {
    pub address: SocketAddr,
    mails: Arc<watch::Sender<Vec<Mail>>>,
    /// What `DATA` is answered with, once it is there.
    refusing: Arc<Mutex<Option<&'static str>>>,
}

impl MailServer {
    pub async fn start(tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, mails: Arc::new(watch::Sender::new(Vec::new())), refusing: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    // A sender that goes away is the sender's affair.
                    let _ = server.serve(stream, tls).await;
                });
            }
        });
        server
    }

    /// From now on mails are answered this; none: they are taken.
    pub fn refuse(&self, answer: Option<&'static str>) {
        *self.refusing.lock().unwrap() = answer;
    }

    /// Waits until there are so many mails.
    pub async fn until(&self, count: usize) -> Vec<Mail> {
        let mut mails = self.mails.subscribe();
        let waited = tokio::time::timeout(PATIENCE, mails.wait_for(|mails| mails.len() >= count)).await;
        waited.expect("the mails come in time").unwrap().clone()
    }

    async fn serve(&self, stream: TcpStream, tls: Tls) -> std::io::Result<()> {
        match tls {
            Tls::None => self.session(&mut BufStream::new(stream), (Greeting::Hello, None, false)).await.map(drop),
            Tls::Required(config) => {
                let stream = TlsAcceptor::from(config).accept(stream).await?;
                self.session(&mut BufStream::new(stream), (Greeting::Hello, None, true)).await.map(drop)
            }
            Tls::Starttls(config) => {
                let mut plain = BufStream::new(stream);
                if self.session(&mut plain, (Greeting::Hello, Some(()), false)).await? == End::Starttls {
                    let stream = TlsAcceptor::from(config).accept(plain.into_inner()).await?;
                    self.session(&mut BufStream::new(stream), (Greeting::Silent, None, true)).await?;
                }
                Ok(())
            }
        }
    }

    async fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufStream<S>,
        (greeting, offers_tls, was_encrypted): (Greeting, Option<()>, bool),
    ) -> std::io::Result<End> {
        if greeting == Greeting::Hello {
            say(stream, "220 mail.example ESMTP").await?;
        }
        let fresh =
            || Mail { from: String::new(), to: Vec::new(), text: String::new(), was_encrypted, signed_in_as: None };
        let mut mail = fresh();
        loop {
            let Some(line) = read_line(stream).await? else { return Ok(End::Quit) };
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "HELO" => {
                    let more = if offers_tls.is_some() { "250-STARTTLS\r\n" } else { "" };
                    say(stream, &format!("250-mail.example\r\n{more}250-AUTH PLAIN\r\n250 8BITMIME")).await?;
                }
                "STARTTLS" => {
                    say(stream, "220 go on").await?;
                    return Ok(End::Starttls);
                }
                "AUTH" => {
                    let said = STANDARD.decode(line.split(' ').next_back().unwrap_or_default()).unwrap_or_default();
                    let (user, password) = USER;
                    let fits = said == format!("\0{user}\0{password}").into_bytes();
                    mail.signed_in_as = fits.then(|| user.to_owned());
                    say(stream, if fits { "235 welcome" } else { "535 who are you" }).await?;
                }
                "MAIL" => {
                    mail.from = between(&line);
                    say(stream, "250 fine").await?;
                }
                "RCPT" => {
                    mail.to.push(between(&line));
                    say(stream, "250 fine").await?;
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    while let Some(line) = read_line(stream).await? {
                        if line == "." {
                            break;
                        }
                        mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                        mail.text.push('\n');
                    }
                    let refusing = *self.refusing.lock().unwrap();
                    if refusing.is_none() {
                        let taken = std::mem::replace(&mut mail, fresh());
                        self.mails.send_modify(|mails| mails.push(taken));
                    }
                    say(stream, refusing.unwrap_or("250 taken")).await?;
                }
                "QUIT" => {
                    say(stream, "221 bye").await?;
                    return Ok(End::Quit);
                }
                "RSET" | "NOOP" => say(stream, "250 fine").await?,
                _ => say(stream, "502 what").await?,
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Greeting {
    Hello,
    /// RFC 3207: nothing is said first after STARTTLS.
    Silent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Quit,
    Starttls,
}

/// What stands between angle brackets.
fn between(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>, text: &str) -> std::io::Result<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn read_line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufStream<S>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}
