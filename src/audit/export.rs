//! Records and heads on their way out while they are written: a line each, to standard output, a file that is renamed when it is
//! full, and the collector. Nothing waits for it; what an export has no room for is in the store.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::line::Line;
use super::settings::{ExportSettings, FileSettings};
use crate::store::{AuditRecord, SignedHead, WriterId};
use crate::telemetry;

/// So many lines are written at once.
const LARGEST_BATCH: usize = 512;

/// Where lines go.
#[derive(Debug)]
pub struct Sinks(Vec<Sink>);

#[derive(Debug)]
struct Sink {
    place: Place,
    /// The last line could not be written: said once.
    is_failing: bool,
}

#[derive(Debug)]
enum Place {
    Stdout,
    Otlp,
    File(RotatingFile),
}

impl Sinks {
    /// Opens the files.
    ///
    /// # Errors
    /// A sentence about a file.
    pub fn open(settings: &[ExportSettings]) -> Result<Self, String> {
        let open = |settings: &ExportSettings| {
            let place = match settings {
                ExportSettings::Stdout => Place::Stdout,
                ExportSettings::Otlp => Place::Otlp,
                ExportSettings::File(file) => Place::File(
                    RotatingFile::open(file)
                        .map_err(|error| format!("audit.export {}: {error}", file.path.display()))?,
                ),
            };
            Ok(Sink { place, is_failing: false })
        };
        settings.iter().map(open).collect::<Result<_, String>>().map(Self)
    }

    /// Whether there is nowhere to write to.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn write(&mut self, lines: &[String]) {
        for sink in &mut self.0 {
            let written = match &mut sink.place {
                Place::Stdout => write_all(&mut io::stdout().lock(), lines),
                Place::Otlp => {
                    lines.iter().for_each(|line| telemetry::audit_record(line));
                    Ok(())
                }
                Place::File(file) => file.write(lines),
            };
            match &written {
                Ok(()) if sink.is_failing => {
                    tracing::info!(place = sink.place.name(), "audit records are exported again")
                }
                Err(error) if !sink.is_failing => {
                    tracing::error!(place = sink.place.name(), %error, "audit records are NOT exported; they are in the store");
                }
                Ok(()) | Err(_) => {}
            }
            sink.is_failing = written.is_err();
        }
    }
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Stdout => "stdout".to_owned(),
            Self::Otlp => "otlp".to_owned(),
            Self::File(file) => file.settings.path.display().to_string(),
        }
    }
}

fn write_all(out: &mut impl io::Write, lines: &[String]) -> io::Result<()> {
    for line in lines {
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// A file that never grows past its size, but for a single line.
#[derive(Debug)]
struct RotatingFile {
    settings: FileSettings,
    /// None: it could not be opened the last time.
    file: Option<File>,
    size: u64,
}

impl RotatingFile {
    fn open(settings: &FileSettings) -> io::Result<Self> {
        if let Some(directory) = settings.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)?;
        }
        let mut file = Self { settings: settings.clone(), file: None, size: 0 };
        file.reopen()?;
        Ok(file)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let path = &self.settings.path;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let size = file.metadata()?.len();
        self.size = whole_lines(path, size)?;
        if self.size < size {
            // A full disk, or a machine that went down: the next record would be glued to it.
            file.set_len(self.size)?;
            tracing::warn!(path = %path.display(), octets = size - self.size, "a line that was cut off is taken out of the export of the audit log");
        }
        self.file = Some(file);
        Ok(())
    }

    fn write(&mut self, lines: &[String]) -> io::Result<()> {
        let written = self.try_write(lines);
        if written.is_err() {
            self.file = None;
        }
        written
    }

    fn try_write(&mut self, lines: &[String]) -> io::Result<()> {
        self.follow();
        if self.file.is_none() {
            self.reopen()?;
        }
        for line in lines {
            let length = line.len() as u64 + 1;
            if self.size > 0 && self.size + length > self.settings.max_size.0 {
                self.rotate()?;
            }
            if let Some(file) = &mut self.file {
                file.write_all(format!("{line}\n").as_bytes())?;
                self.size += length;
            }
        }
        Ok(())
    }

    /// Somebody else may have renamed the file, removed it, or cut it short.
    fn follow(&mut self) {
        let Some(file) = &self.file else { return };
        match (file.metadata(), std::fs::metadata(&self.settings.path)) {
            (Ok(open), Ok(there)) if (open.dev(), open.ino()) == (there.dev(), there.ino()) => self.size = open.len(),
            _ => self.file = None,
        }
    }

    /// `a` becomes `a.1`, `a.1` becomes `a.2`; the oldest is overwritten.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (1..self.settings.keep).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        std::fs::rename(&self.settings.path, self.numbered(1))?;
        self.reopen()
    }

    fn numbered(&self, number: u16) -> PathBuf {
        let mut name = self.settings.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// How many of a file's first `size` octets are whole lines.
fn whole_lines(path: &Path, size: u64) -> io::Result<u64> {
    const PIECE: u64 = 8192;
    let (mut end, mut piece) = (size, [0; PIECE as usize]);
    while end > 0 {
        let begin = end.saturating_sub(PIECE);
        let piece = &mut piece[..(end - begin) as usize];
        File::open(path)?.read_exact_at(piece, begin)?;
        if let Some(at) = piece.iter().rposition(|octet| *octet == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

/// Writes what comes, until no more heads come; then what is there already.
pub async fn run(sinks: Sinks, mut records: mpsc::Receiver<AuditRecord>, mut heads: mpsc::Receiver<SignedHead>) {
    let mut writing = Writing { sinks, next: HashMap::new() };
    let mut batch = Vec::with_capacity(LARGEST_BATCH);
    loop {
        let head = tokio::select! {
            biased;
            count = records.recv_many(&mut batch, LARGEST_BATCH), if !records.is_closed() || !records.is_empty() => {
                if count > 0 {
                    writing = writing.write(batch.drain(..).map(Line::Record).collect()).await;
                }
                continue;
            }
            head = heads.recv() => head,
        };
        // What a head vouches for stands in front of it.
        while let Ok(record) = records.try_recv() {
            batch.push(record);
        }
        let mut lines: Vec<Line> = batch.drain(..).map(Line::Record).collect();
        let is_last = head.is_none();
        lines.extend(head.map(Line::Head));
        writing = writing.write(lines).await;
        if is_last {
            return;
        }
    }
}

struct Writing {
    sinks: Sinks,
    /// Of each chain the record that comes next: another one means that there was no room for some.
    next: HashMap<WriterId, u64>,
}

impl Writing {
    /// On a thread that may wait for a disk.
    async fn write(mut self, lines: Vec<Line>) -> Self {
        for line in &lines {
            let Line::Record(record) = line else { continue };
            let next = self.next.insert(record.writer.clone(), record.sequence + 1);
            let left_out = next.map_or(0, |next| record.sequence.saturating_sub(next));
            if left_out > 0 {
                tracing::warn!(left_out, "audit records were left out of the export: `audit export` has them");
            }
        }
        if self.sinks.is_empty() {
            return self;
        }
        let Self { mut sinks, next } = self;
        let written = tokio::task::spawn_blocking(move || {
            let texts: Vec<String> = lines.iter().filter_map(|line| line.write().ok()).collect();
            sinks.write(&texts);
            sinks
        });
        let sinks = written.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the export of the audit log ended");
            Sinks(Vec::new())
        });
        Self { sinks, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::settings::Size;

    #[test]
    fn a_full_file_is_renamed_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deeper/audit.jsonl");
        let settings = FileSettings { path: path.clone(), max_size: Size(10), keep: 2 };
        let mut file = RotatingFile::open(&settings).unwrap();
        for line in ["1111", "2222", "3333", "a long one, longer than the file may be", "5555", "6666"] {
            file.write(&[line.to_owned()]).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(directory.path().join("deeper").join(name)).ok();
        assert_eq!(read("audit.jsonl").as_deref(), Some("5555\n6666\n"));
        assert_eq!(read("audit.jsonl.1").as_deref(), Some("a long one, longer than the file may be\n"));
        assert_eq!(read("audit.jsonl.2").as_deref(), Some("3333\n"));
        assert_eq!(read("audit.jsonl.3"), None);
    }

    #[test]
    fn a_file_that_was_there_is_written_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        std::fs::write(&path, "1\n").unwrap();
        let settings = FileSettings { path: path.clone(), max_size: Size(10), keep: 1 };
        RotatingFile::open(&settings).unwrap().write(&["2".to_owned()]).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "1\n2\n");
    }

    #[test]
    fn a_file_that_somebody_else_rotated_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, aside) = (directory.path().join("audit.jsonl"), directory.path().join("audit.jsonl.old"));
        let settings = FileSettings { path: path.clone(), max_size: Size(1 << 20), keep: 1 };
        let mut file = RotatingFile::open(&settings).unwrap();
        let mut write = |line: &str| file.write(&[line.to_owned()]).unwrap();
        write("1");
        std::fs::rename(&path, &aside).unwrap();
        write("2");
        assert_eq!(std::fs::read_to_string(&aside).unwrap(), "1\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
        std::fs::remove_file(&path).unwrap();
        write("3");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n");
        // As logrotate's `copytruncate` does.
        std::fs::File::create(&path).unwrap();
        write("4");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4\n");
    }

    #[test]
    fn a_line_that_was_cut_off_is_not_written_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let settings = FileSettings { path: path.clone(), max_size: Size(1 << 20), keep: 1 };
        for (before, after) in
            [("1\n{\"ha", "1\n2\n"), ("{\"ha", "2\n"), (&format!("1\n{}", "h".repeat(20_000)), "1\n2\n")]
        {
            std::fs::write(&path, before).unwrap();
            RotatingFile::open(&settings).unwrap().write(&["2".to_owned()]).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }
}
