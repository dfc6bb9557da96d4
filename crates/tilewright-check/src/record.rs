//! What was measured, as CSV: one row for each contestant of each case.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tilewright_core::{DType, Device, Error, Result, Work};

use crate::origin::Origin;
use crate::peaks::Peaks;
use crate::time::{Summary, Timing};

/// Whose time a row gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A variant of the kernel.
    Ours,
    /// Another library on the same problem, timed in the same run.
    Peer,
}

/// One row. Times are milliseconds of one call; rates and peaks are in units of 1e9 per second.
///
/// A kernel that was not judged right has no times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Day of the run, UTC, as 2025-01-31.
    pub date: String,
    /// Commit, with `-dirty` where the tree had changes.
    pub commit: String,
    /// The machine.
    pub host: String,
    /// The device, as `cuda:0`.
    pub device: String,
    /// What drives it: CPU model, or GPU and driver version.
    pub driver: String,
    /// The kernel.
    pub kernel: String,
    /// The case.
    pub case: String,
    /// The dtype of the case.
    pub dtype: String,
    /// Whether this is the kernel or a peer.
    pub role: Role,
    /// Which variant, or which peer.
    pub variant: String,
    /// Number of samples.
    pub samples: usize,
    /// Calls per sample.
    pub calls: usize,
    /// Median wall time.
    pub wall_median_ms: Option<f64>,
    /// Median absolute deviation of the wall time.
    pub wall_mad_ms: Option<f64>,
    /// Smallest wall time.
    pub wall_min_ms: Option<f64>,
    /// Median by the device's own timer.
    pub device_median_ms: Option<f64>,
    /// Median absolute deviation by the device's own timer.
    pub device_mad_ms: Option<f64>,
    /// Smallest by the device's own timer.
    pub device_min_ms: Option<f64>,
    /// Floating-point operations of the case, counted.
    pub flops: f64,
    /// Bytes of the case, counted.
    pub bytes: f64,
    /// Achieved GFLOP/s, by the median.
    pub gflops: Option<f64>,
    /// Achieved GB/s, by the median.
    pub gbs: Option<f64>,
    /// GFLOP/s that a matrix product of this dtype reached on this device in this run.
    pub peak_gflops: Option<f64>,
    /// GB/s that a copy reached on this device in this run.
    pub peak_gbs: Option<f64>,
    /// The least time that these peaks allow, as a fraction of the median.
    pub fraction: Option<f64>,
    /// The worst share of a tolerance that was used.
    pub share: Option<f64>,
    /// The worst max |out - truth| / max |truth| of the outputs whose truth is a number each; also of a peer that was not judged right.
    #[serde(default)]
    pub error: Option<f64>,
    /// Bytes of device memory that one call had in use at most, beside its inputs.
    #[serde(default)]
    pub memory: Option<f64>,
    /// What runs on the host by design, where the device is another.
    #[serde(default)]
    pub on_host: Option<String>,
    /// `pass`, or what failed. Peers are judged too.
    pub verdict: String,
}

impl Row {
    /// A row about nothing yet, measured now on this device.
    pub fn blank(origin: &Origin, device: Device, driver: String) -> Self {
        Row {
            date: origin.date.clone(),
            commit: origin.commit.clone(),
            host: origin.host.clone(),
            device: device.to_string(),
            driver,
            kernel: String::new(),
            case: String::new(),
            dtype: String::new(),
            role: Role::Ours,
            variant: String::new(),
            samples: 0,
            calls: 0,
            wall_median_ms: None,
            wall_mad_ms: None,
            wall_min_ms: None,
            device_median_ms: None,
            device_mad_ms: None,
            device_min_ms: None,
            flops: 0.0,
            bytes: 0.0,
            gflops: None,
            gbs: None,
            peak_gflops: None,
            peak_gbs: None,
            fraction: None,
            share: None,
            error: None,
            memory: None,
            on_host: None,
            verdict: "pass".to_owned(),
        }
    }

    /// Enters the times, and the rates that follow from them.
    pub fn fill(&mut self, timing: &Timing) {
        (self.samples, self.calls) = (timing.samples, timing.calls);
        let parts = |summary: &Summary| (Some(summary.median), Some(summary.mad), Some(summary.min));
        (self.wall_median_ms, self.wall_mad_ms, self.wall_min_ms) = parts(&timing.wall);
        if let Some(device) = &timing.device {
            (self.device_median_ms, self.device_mad_ms, self.device_min_ms) = parts(device);
        }
        let median = timing.best_known().median;
        let rate = |amount: f64| (amount > 0.0).then(|| amount / median / 1e6);
        (self.gflops, self.gbs) = (rate(self.flops), rate(self.bytes));
    }

    /// Enters the peaks that bound this dtype, and which fraction of them was reached.
    pub fn hold_against(&mut self, peaks: &Peaks, dtype: DType) {
        (self.peak_gflops, self.peak_gbs) = (peaks.gflops(dtype), peaks.copy_gbs);
        let floor = peaks.floor_ms(Work { flops: self.flops, bytes: self.bytes }, dtype);
        self.fraction = floor.zip(self.median()).map(|(floor, median)| floor / median);
    }

    /// The median to compare by: the device's where it has a timer of its own, else wall time.
    pub fn median(&self) -> Option<f64> {
        self.device_median_ms.or(self.wall_median_ms)
    }

    /// What tells problems apart: device, kernel, case.
    pub fn problem(&self) -> (&str, &str, &str) {
        (&self.device, &self.kernel, &self.case)
    }
}

/// The shortest median of a peer on the same problem in the same run.
pub fn best_peer<'r>(rows: impl IntoIterator<Item = &'r Row>, ours: &Row) -> Option<f64> {
    let same = |row: &&Row| {
        row.role == Role::Peer
            && row.problem() == ours.problem()
            && (&row.date, &row.commit, &row.host) == (&ours.date, &ours.commit, &ours.host)
    };
    rows.into_iter().filter(same).filter_map(Row::median).reduce(f64::min)
}

/// Writes rows to `<folder>/<host>/<date>_<commit>.csv`; a record of the same name gets them in addition.
pub fn write_record(folder: &Path, rows: &[Row]) -> Result<PathBuf> {
    let Some(first) = rows.first() else {
        return Err(Error::file("record", folder, "there is nothing to record"));
    };
    let folder = folder.join(&first.host);
    std::fs::create_dir_all(&folder).map_err(|why| Error::file("record", &folder, why))?;
    let path = folder.join(format!("{}_{}.csv", first.date, first.commit));
    let mut all = if path.exists() { read_record(&path)? } else { Vec::new() };
    all.extend_from_slice(rows);
    let fail = |why: &dyn std::fmt::Display| Error::file("record", &path, why);
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    let write = || -> csv::Result<()> {
        let mut writer = csv::Writer::from_path(&temporary)?;
        for row in &all {
            writer.serialize(row)?;
        }
        writer.flush()?;
        Ok(std::fs::rename(&temporary, &path)?)
    };
    write().map_err(|why| {
        // Leave nothing half-written behind; the error below says what went wrong.
        let _ = std::fs::remove_file(&temporary);
        fail(&why)
    })?;
    Ok(path)
}

/// Reads a record.
pub fn read_record(path: &Path) -> Result<Vec<Row>> {
    let fail = |why: &dyn std::fmt::Display| Error::file("record", path, why);
    let file = File::open(path).map_err(|why| fail(&why))?;
    csv::Reader::from_reader(file).into_deserialize().collect::<csv::Result<_>>().map_err(|why| fail(&why))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(case: &str, role: Role, variant: &str, median: Option<f64>) -> Row {
        Row {
            date: "2025-01-31".into(),
            commit: "abc".into(),
            host: "host".into(),
            device: "cpu".into(),
            driver: "a \"quoted\", driver".into(),
            kernel: "scale".into(),
            case: case.into(),
            dtype: "f32".into(),
            role,
            variant: variant.into(),
            samples: 30,
            calls: 2,
            wall_median_ms: median,
            wall_mad_ms: median.map(|_| 0.01),
            wall_min_ms: median,
            device_median_ms: None,
            device_mad_ms: None,
            device_min_ms: None,
            flops: 1e6,
            bytes: 8e6,
            gflops: median.map(|median| 1.0 / median),
            gbs: median.map(|median| 8.0 / median),
            peak_gflops: Some(100.0),
            peak_gbs: Some(40.0),
            fraction: median.map(|median| 0.2 / median),
            share: Some(0.25),
            error: Some(1e-6),
            memory: None,
            on_host: None,
            verdict: "pass".into(),
        }
    }

    #[test]
    fn records_round_trip_and_grow() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = [row("n1", Role::Ours, "cpu", Some(1.5)), row("n1", Role::Peer, "memcpy", None)];
        rows[0].on_host = Some("the order, \"by hand\"".into());
        let path = write_record(folder.path(), &rows).unwrap();
        assert_eq!(path, folder.path().join("host/2025-01-31_abc.csv"));
        assert_eq!(read_record(&path).unwrap(), rows);
        write_record(folder.path(), &rows[..1]).unwrap();
        assert_eq!(read_record(&path).unwrap().len(), 3);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn peers_of_another_run_do_not_count() {
        let mut older = row("n1", Role::Peer, "quick", Some(2.0));
        older.commit = "older".into();
        let ours = row("n1", Role::Ours, "cpu", Some(1.0));
        let rows = [
            ours.clone(),
            row("n1", Role::Peer, "slow", Some(4.0)),
            older,
            row("n2", Role::Peer, "other", Some(1.0)),
        ];
        assert_eq!(best_peer(&rows, &ours), Some(4.0));
        assert_eq!(best_peer(&rows[..1], &ours), None);
    }

    #[test]
    fn a_corrupt_record_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.csv");
        for text in ["date,commit\n1,2\n", "\u{0}\u{1}\n\u{2}"] {
            std::fs::write(&path, text).unwrap();
            assert!(read_record(&path).unwrap_err().to_string().contains("bad.csv"));
        }
        assert!(write_record(folder.path(), &[]).is_err());
    }
}
