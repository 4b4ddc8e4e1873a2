//! Records and heads on their way out while they are written: a line each, to standard output, a file that is renamed when it is
//! full, and the collector. Nothing waits for it; what an export has no room for is in the store.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::line::Line;
use super::settings::{ExportSettings, FileSettings};
use crate::store::{AuditRecord, SignedHead, WriterId};
use crate::telemetry;

/// So many lines are written at once.
const LARGEST_BATCH: usize = 512;

/// Where lines go.
#[derive(Debug)]
pub struct Sinks {
    sinks: Vec<Sink>,
    is_failing: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Sink {
    place: Place,
    /// Lines that were lost since the last one that could be written: said once, and in the end.
    lost: u64,
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
            telemetry::metrics().audit_export_lost(&place.name(), 0);
            Ok(Sink { place, lost: 0 })
        };
        let sinks = settings.iter().map(open).collect::<Result<_, String>>()?;
        Ok(Self { sinks, is_failing: Arc::default() })
    }

    /// Whether a place does not take what is exported, now.
    pub fn failing(&self) -> Arc<AtomicBool> {
        self.is_failing.clone()
    }

    /// Whether there is nowhere to write to.
    pub const fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// So many never came here.
    fn left_out(&self, count: u64) {
        for sink in &self.sinks {
            telemetry::metrics().audit_export_lost(&sink.place.name(), count);
        }
    }

    fn write(&mut self, lines: &[String]) {
        for sink in &mut self.sinks {
            let mut count = 0;
            let written = match &mut sink.place {
                Place::Stdout => write_all(&mut io::stdout().lock(), lines, &mut count),
                Place::Otlp => {
                    lines.iter().for_each(|line| telemetry::audit_record(line));
                    Ok(())
                }
                Place::File(file) => file.write(lines, &mut count),
            };
            let place = sink.place.name();
            match written {
                Ok(()) if sink.lost > 0 => {
                    let lost = std::mem::take(&mut sink.lost);
                    tracing::info!(place, lost, "audit records are exported again: `audit export` has what is missing");
                }
                Ok(()) => {}
                Err(error) => {
                    if sink.lost == 0 {
                        tracing::error!(place, %error, "audit records are NOT exported; they are in the store");
                    }
                    let lost = (lines.len() as u64).saturating_sub(count).max(1);
                    telemetry::metrics().audit_export_lost(&place, lost);
                    sink.lost += lost;
                }
            }
        }
        self.is_failing.store(self.sinks.iter().any(|sink| sink.lost > 0), Ordering::Relaxed);
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

/// `count` becomes how many were written.
fn write_all(out: &mut impl io::Write, lines: &[String], count: &mut u64) -> io::Result<()> {
    for line in lines {
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
        *count += 1;
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
        let cut_off = file.reopen()?;
        if cut_off > 0 {
            let path = settings.path.display();
            tracing::warn!(%path, octets = cut_off, "a line that was cut off is taken out of the export of the audit log");
        }
        Ok(file)
    }

    /// How many octets were taken out of it: a line that was cut off.
    fn reopen(&mut self) -> io::Result<u64> {
        let path = &self.settings.path;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let size = file.metadata()?.len();
        self.size = whole_lines(path, size)?;
        if self.size < size {
            // A full disk, or a machine that went down: the next record would be glued to it.
            file.set_len(self.size)?;
        }
        self.file = Some(file);
        Ok(size - self.size)
    }

    /// `count` becomes how many were written.
    fn write(&mut self, lines: &[String], count: &mut u64) -> io::Result<()> {
        let written = self.try_write(lines, count);
        if written.is_err() {
            self.file = None;
        }
        written
    }

    fn try_write(&mut self, lines: &[String], count: &mut u64) -> io::Result<()> {
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
                *count += 1;
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
        self.reopen().map(drop)
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
                self.sinks.left_out(left_out);
                tracing::warn!(left_out, "audit records were left out of the export: `audit export` has them");
            }
        }
        if self.sinks.is_empty() {
            return self;
        }
        let Self { mut sinks, next } = self;
        let failing = sinks.failing();
        let written = tokio::task::spawn_blocking(move || {
            let texts: Vec<String> = lines.iter().filter_map(|line| line.write().ok()).collect();
            sinks.write(&texts);
            sinks
        });
        let sinks = written.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the export of the audit log ended");
            failing.store(true, Ordering::Relaxed);
            Sinks { sinks: Vec::new(), is_failing: failing }
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
            file.write(&[line.to_owned()], &mut 0).unwrap();
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
        RotatingFile::open(&settings).unwrap().write(&["2".to_owned()], &mut 0).unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "1\n2\n");
    }

    #[test]
    fn a_file_that_somebody_else_rotated_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let (path, aside) = (directory.path().join("audit.jsonl"), directory.path().join("audit.jsonl.old"));
        let settings = FileSettings { path: path.clone(), max_size: Size(1 << 20), keep: 1 };
        let mut file = RotatingFile::open(&settings).unwrap();
        let mut write = |line: &str| file.write(&[line.to_owned()], &mut 0).unwrap();
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
    fn what_a_place_does_not_take_is_counted_and_it_counts_as_failing_until_it_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("there/audit.jsonl");
        let file = ExportSettings::File(FileSettings { path: path.clone(), max_size: Size(1 << 20), keep: 1 });
        let mut sinks = Sinks::open(&[file]).unwrap();
        let failing = sinks.failing();
        let mut write = |lines: &[&str]| {
            sinks.write(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
            (sinks.sinks[0].lost, failing.load(Ordering::Relaxed))
        };
        assert_eq!(write(&["1"]), (0, false));
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        assert_eq!(write(&["2", "3"]), (2, true));
        assert_eq!(write(&["4"]), (3, true));
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        assert_eq!(write(&["5"]), (0, false));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "5\n");
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
            RotatingFile::open(&settings).unwrap().write(&["2".to_owned()], &mut 0).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }
}
