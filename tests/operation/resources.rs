//! What a process holds, as the kernel counts it.

use std::fs;

use crate::process::Gateway;

/// The most that SQLite keeps in memory of its pages, in KiB: the writer's 32 MiB, two for each of four readers.
const CACHES: u64 = 40 * 1024;

/// What it holds now.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Resident memory, in KiB.
    pub memory: u64,
    /// Open files and sockets.
    pub descriptors: usize,
}

impl Held {
    pub fn by(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        let memory = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self { memory, descriptors }
    }
}

/// How large the database is, in KiB.
pub fn record(gateway: &Gateway) -> u64 {
    fs::metadata(gateway.file("gateway.db")).map_or(0, |file| file.len() / 1024)
}

/// What SQLite may keep in memory of that, in KiB.
pub fn cached(gateway: &Gateway) -> u64 {
    record(gateway).min(CACHES)
}
