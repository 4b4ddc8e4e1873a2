//! What a process holds, as the kernel counts it.

use std::fs;

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
