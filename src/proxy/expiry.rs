//! When the certificates and lists in use end, and whom to tell: a warning in the log once a day for each file, before it is too late.
//! Decides nothing about connections.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a file holds that ends some day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// The server's certificate and its intermediates.
    ServerCertificate,
    /// CAs of client certificates.
    ClientCa,
    /// Certificate revocation lists; they end at their next update.
    RevocationList,
}

impl FileKind {
    /// The stable name, as in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerCertificate => "server_certificate",
            Self::ClientCa => "client_ca",
            Self::RevocationList => "revocation_list",
        }
    }

    /// How long before the end the log begins to say so. A list is replaced by whoever issues it, as a rule on its last day.
    const fn warned_before(self) -> Duration {
        match self {
            Self::ServerCertificate | Self::ClientCa => DAY.saturating_mul(30),
            Self::RevocationList => DAY,
        }
    }
}

/// A file in use, and when the first thing in it ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileEnd {
    /// The file.
    pub file: PathBuf,
    /// What it holds.
    pub kind: FileKind,
    /// The end, in seconds since the epoch.
    pub ends: i64,
}

impl FileEnd {
    /// Of a file with these certificates; `None` when none can be read.
    pub(super) fn of_certificates(file: &Path, kind: FileKind, certificates: &[CertificateDer<'_>]) -> Option<Self> {
        let ends = certificates.iter().filter_map(|der| not_after(der)).min()?;
        Some(Self { file: file.to_owned(), kind, ends })
    }

    /// Of a server's certificate and its intermediates, which are in this file.
    pub fn of_server(file: &Path, certificates: &[CertificateDer<'_>]) -> Option<Self> {
        Self::of_certificates(file, FileKind::ServerCertificate, certificates)
    }

    /// Seconds until the end; below zero after it.
    pub fn seconds_left(&self, now: Timestamp) -> i64 {
        self.ends.saturating_sub(now.unix_seconds())
    }

    /// Whether it ends soon, or has ended: the log names it then.
    pub fn is_ending(&self, now: Timestamp) -> bool {
        self.seconds_left(now) <= self.kind.warned_before().as_secs().cast_signed()
    }

    /// Writes it to the log: an error once it is past.
    pub(super) fn warn(&self, now: Timestamp) {
        let left = self.seconds_left(now);
        let (file, kind) = (self.file.display(), self.kind.as_str());
        let ends = Timestamp::from_unix_millis(self.ends.saturating_mul(1000));
        if left <= 0 {
            tracing::error!(%file, kind, %ends, "a file of a listener's TLS is past its end: replace it");
        } else {
            tracing::warn!(%file, kind, %ends, hours_left = left / 3600, "a file of a listener's TLS will soon end: replace it");
        }
    }
}

/// The end of a certificate's validity, in seconds since the epoch.
pub(super) fn not_after(der: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Which files the log has named, and when.
#[derive(Debug, Default)]
pub(super) struct Warned(BTreeMap<FileEnd, Timestamp>);

impl Warned {
    /// Those of `files` to be named now: they end soon or have ended, and were not named in the last day. A file that was replaced is forgotten.
    pub(super) fn due(&mut self, mut files: Vec<FileEnd>, now: Timestamp) -> Vec<FileEnd> {
        files.retain(|file| file.is_ending(now));
        self.0.retain(|file, _| files.contains(file));
        files.retain(|file| self.0.get(file).is_none_or(|at| now.since(*at) >= DAY));
        self.0.extend(files.iter().map(|file| (file.clone(), now)));
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;
    const DAYS: i64 = 24 * HOUR;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    fn file(kind: FileKind, ends: i64) -> FileEnd {
        FileEnd { file: PathBuf::from("server.pem"), kind, ends }
    }

    #[test]
    fn certificates_are_named_thirty_days_before_their_end_and_lists_one() {
        for (kind, days) in [(FileKind::ServerCertificate, 30), (FileKind::ClientCa, 30), (FileKind::RevocationList, 1)]
        {
            let files = vec![file(kind, 100 * DAYS)];
            let first = (100 - days) * DAYS;
            assert_eq!(Warned::default().due(files.clone(), at(first - 1)), [], "{kind:?}");
            assert_eq!(Warned::default().due(files.clone(), at(first)), files, "{kind:?}");
            assert_eq!(Warned::default().due(files.clone(), at(200 * DAYS)), files, "{kind:?}");
        }
    }

    #[test]
    fn a_file_is_named_once_a_day_however_often_it_is_looked_at() {
        let files = vec![file(FileKind::ServerCertificate, 20 * DAYS)];
        let mut warned = Warned::default();
        let named = (0..=48).filter(|hour| !warned.due(files.clone(), at(hour * HOUR)).is_empty());
        assert_eq!(named.collect::<Vec<_>>(), [0, 24, 48]);
    }

    #[test]
    fn a_file_that_was_replaced_by_one_that_ends_soon_too_is_named_at_once() {
        let mut warned = Warned::default();
        assert_eq!(warned.due(vec![file(FileKind::RevocationList, HOUR)], at(0)).len(), 1);
        let replaced = vec![file(FileKind::RevocationList, 2 * HOUR)];
        assert_eq!(warned.due(replaced.clone(), at(1)), replaced);
        assert_eq!(warned.due(vec![file(FileKind::RevocationList, 9 * DAYS)], at(2)), []);
        assert_eq!(warned.0.len(), 0);
    }

    #[test]
    fn the_time_left_is_below_zero_after_the_end() {
        assert_eq!(file(FileKind::ClientCa, 10).seconds_left(at(12)), -2);
    }
}
