//! What a process holds, as the kernel counts it.

use std::fs;
use std::time::{Duration, Instant};

use crate::process::PATIENCE;

/// Linux counts processor time in hundredths of a second for everybody (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The memory of a process since a moment.
pub struct Memory {
    pid: u32,
    /// KiB.
    before: u64,
}

impl Memory {
    /// From now on.
    pub fn of(pid: u32) -> Self {
        // The highest resident size is counted anew from here (proc(5)).
        fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        Self { pid, before: kibibytes(pid, "VmRSS") }
    }

    /// How much more it held at its highest, in KiB.
    pub fn growth(&self) -> u64 {
        kibibytes(self.pid, "VmHWM").saturating_sub(self.before)
    }

    /// Fails when it ever held that many MiB more.
    #[track_caller]
    pub fn grew_less_than(&self, mebibytes: u64, attack: &str) {
        let growth = self.growth();
        println!("{attack}: {growth} KiB more than the {} before", self.before);
        assert!(growth < mebibytes * 1024, "{attack}: {growth} KiB more, {mebibytes} MiB are allowed");
    }
}

/// One of the numbers of `/proc/PID/status`.
fn kibibytes(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The processor time that a process has had.
pub fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name of the executable, in brackets, may hold anything; after it come the fields from the third on.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u32 = [11, 12].into_iter().map(|field| fields[field].parse::<u32>().unwrap()).sum();
    TICK * ticks
}

/// The share of a processor that a process takes over the next second.
pub async fn share_of_a_processor(pid: u32) -> f64 {
    let (before, began) = (processor_time(pid), Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    (processor_time(pid) - before).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// Returns once a process has done what it was doing.
pub async fn rests(pid: u32) {
    let began = Instant::now();
    while share_of_a_processor(pid).await > 0.1 {
        assert!(began.elapsed() < PATIENCE, "it does not rest");
    }
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Returns once it is so; fails after long.
#[track_caller]
pub fn until(is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "still not so, at {caller}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
