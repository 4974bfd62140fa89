//! What the disk can do: without it the other rates say nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const TIME: Duration = Duration::from_secs(2);
/// About what an entry has.
const BYTES: [u8; 256] = [b'x'; 256];

pub(crate) struct Disk {
    pub(crate) fsyncs_per_s: f64,
    pub(crate) replaces_per_s: f64,
}

pub(crate) fn measure(folder: &Path) -> std::io::Result<Disk> {
    let (growing, file, beside) = (folder.join("growing"), folder.join("file"), folder.join("beside"));
    let mut grown = File::create(&growing)?;
    let fsyncs_per_s = rate(|| {
        grown.write_all(&BYTES)?;
        grown.sync_all()
    })?;
    let replaces_per_s = rate(|| {
        let mut new = File::create(&beside)?;
        new.write_all(&BYTES)?;
        new.sync_all()?;
        std::fs::rename(&beside, &file)?;
        File::open(folder)?.sync_all()
    })?;
    Ok(Disk { fsyncs_per_s, replaces_per_s })
}

fn rate(mut act: impl FnMut() -> std::io::Result<()>) -> std::io::Result<f64> {
    let (started, mut count) = (Instant::now(), 0.0);
    while started.elapsed() < TIME {
        act()?;
        count += 1.0;
    }
    Ok(count / started.elapsed().as_secs_f64())
}
