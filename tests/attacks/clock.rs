//! The system's clock is set, forward and back, while the gateway runs: libfaketime stands between it and the kernel's realtime clock
//! (Debian: faketime); the monotonic clock goes on as it does when a clock is set. `DCR_TEST_FAKETIME=required` makes its absence a failure.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::client::get;
use crate::measured;
use crate::world::{GOOD, Setting, World};

const DAY: i64 = 24 * 60 * 60;

/// The library, of the variant for programs with threads.
fn library() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib").unwrap().flatten().find_map(|entry| {
        let path = entry.path().join("faketime/libfaketimeMT.so.1");
        path.exists().then_some(path)
    });
    let is_required = std::env::var("DCR_TEST_FAKETIME").is_ok_and(|wish| wish == "required");
    assert!(found.is_some() || !is_required, "DCR_TEST_FAKETIME=required, and there is no libfaketime");
    if found.is_none() {
        eprintln!("skipped: there is no libfaketime (Debian: faketime)");
    }
    found
}

/// A gateway whose clock can be set.
struct Clockwork {
    world: World,
    directory: TempDir,
}

impl Clockwork {
    async fn start(rest: &str) -> Option<Self> {
        let library = library()?;
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("time"), "+0").unwrap();
        let preload = format!("LD_PRELOAD={}", library.display());
        let file = format!("FAKETIME_TIMESTAMP_FILE={}", directory.path().join("time").display());
        let launcher = ["env", &preload, &file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
        let world = World::start(Setting { rest, launcher: &launcher, ..Setting::default() }).await;
        Some(Self { world, directory })
    }

    /// Sets the gateway's clock to the present and so many seconds more.
    fn set(&self, seconds: i64) {
        // Whole at once: half a file would be another time.
        let next = self.directory.path().join("next");
        std::fs::write(&next, format!("{seconds:+}")).unwrap();
        std::fs::rename(next, self.directory.path().join("time")).unwrap();
    }

    async fn status(&self) -> u16 {
        self.world.ask(GOOD, &self.world.registration()).await.expect("an answer").status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_stops_nobody_longer_than_it_is_wrong() {
    let Some(clock) = Clockwork::start("").await else { return };
    assert_eq!(clock.status().await, 201);
    for (seconds, expected) in [
        // The token is for an hour.
        (400 * DAY, 401),
        (0, 201),
        (-400 * DAY, 201),
        (0, 201),
        (60, 201),
        (-60, 201),
        // 2038-01-19 is past.
        (20_000 * DAY, 401),
        (0, 201),
    ] {
        clock.set(seconds);
        assert_eq!(clock.status().await, expected, "{seconds} seconds off");
        let share = measured::share_of_a_processor(clock.world.gateway.pid()).await;
        assert!(share < 0.5, "{seconds} seconds off it is busy with nothing: {share} of a processor");
        assert_eq!(get(clock.world.gateway.admin, "/livez").await.status, 200);
        assert_eq!(get(clock.world.gateway.admin, "/readyz").await.status, 200);
    }
    let verified = clock.world.gateway.run(&["audit", "verify"]);
    assert!(verified.status.success(), "the audit log: {}", String::from_utf8_lossy(&verified.stderr));
    assert!(!clock.world.gateway.log().contains("panicked"), "{}", clock.world.gateway.log());
}

/// How often somebody may try is counted by a clock that nobody sets.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_gives_nobody_attempts_and_takes_none() {
    let rest = "
profiles:
  - name: partners
    match: { initial_access_token: true }
    redirect_uris: { https: [{ host: app.example.com }] }
    limits: { rate: 1/h, burst: 3 }
";
    let Some(clock) = Clockwork::start(rest).await else { return };
    assert_eq!(clock.status().await, 201);
    clock.set(-30 * DAY);
    assert_eq!((clock.status().await, clock.status().await), (201, 201), "two are left");
    assert_eq!(clock.status().await, 429);
    clock.set(30 * 60);
    assert_eq!(clock.status().await, 429, "half an hour that did not pass gives nothing back");
    clock.set(0);
    assert_eq!(clock.status().await, 429);
}
