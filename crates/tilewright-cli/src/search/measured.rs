//! What `tilewright search bench` has measured, as it is shown.

use serde::Serialize;

use crate::stop::Stop;
use crate::{Console, table};

/// All of it.
#[derive(Serialize)]
pub(super) struct Document {
    pub(super) device: String,
    pub(super) rows: usize,
    pub(super) dimension: usize,
    /// GB/s of a copy, read and written.
    pub(super) copy_gbs: Option<f64>,
    pub(super) indexes: Vec<Measured>,
    /// What was asked for and is not there.
    pub(super) absent: Vec<String>,
}

/// One recipe.
#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) recipe: String,
    pub(super) train_seconds: f64,
    pub(super) add_seconds: f64,
    /// Until all of it lay on the device.
    pub(super) move_seconds: f64,
    pub(super) points: Vec<Point>,
    /// Recalls that all lists that can be looked into do not reach.
    pub(super) beyond: Vec<f64>,
    /// The same recipe by other libraries.
    pub(super) peers: Vec<Built>,
}

/// An index of another library.
#[derive(Serialize)]
pub(super) struct Built {
    pub(super) name: String,
    pub(super) train_seconds: f64,
    pub(super) add_seconds: f64,
    pub(super) beyond: Vec<f64>,
}

/// One recall of one batch.
#[derive(Serialize)]
pub(super) struct Point {
    pub(super) wanted: f64,
    pub(super) recall: f64,
    pub(super) nprobe: usize,
    pub(super) batch: usize,
    pub(super) milliseconds: f64,
    pub(super) queries_per_second: f64,
    /// 10^9 bytes a second of what the scan reads.
    pub(super) gbs: f64,
    /// That over the rate of a copy.
    pub(super) fraction: Option<f64>,
    pub(super) peers: Vec<PeerPoint>,
}

/// Another library's search with as many lists as reach the same recall.
#[derive(Serialize)]
pub(super) struct PeerPoint {
    pub(super) name: String,
    pub(super) recall: f64,
    pub(super) nprobe: usize,
    /// Where it could be timed.
    pub(super) milliseconds: Option<f64>,
    /// `pass`, or what failed.
    pub(super) verdict: String,
}

/// One table for each index.
pub(super) fn print(document: &Document, console: &mut Console) -> Result<(), Stop> {
    let percent =
        |fraction: Option<f64>| fraction.map_or(String::new(), |part| format!("{:.1} %", 100.0 * part));
    let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |x| format!("{x:.digits$}"));
    for index in &document.indexes {
        let mut cells = Vec::new();
        for point in &index.points {
            let rate = |milliseconds: f64| point.batch as f64 / milliseconds * 1e3;
            let best = point.peers.iter().filter_map(|peer| peer.milliseconds).reduce(f64::min);
            cells.push([
                point.wanted.to_string(),
                "tilewright".to_owned(),
                format!("{:.4}", point.recall),
                point.nprobe.to_string(),
                point.batch.to_string(),
                format!("{:.3}", point.milliseconds),
                format!("{:.0}", point.queries_per_second),
                format!("{:.0}", point.gbs),
                percent(point.fraction),
                best.map_or(String::new(), |peer| format!("{:.2}x", peer / point.milliseconds)),
            ]);
            cells.extend(point.peers.iter().map(|peer| {
                [
                    point.wanted.to_string(),
                    format!("({})", peer.name),
                    format!("{:.4}", peer.recall),
                    peer.nprobe.to_string(),
                    point.batch.to_string(),
                    number(peer.milliseconds, 3),
                    peer.milliseconds.map_or(peer.verdict.clone(), |time| format!("{:.0}", rate(time))),
                    String::new(),
                    String::new(),
                    String::new(),
                ]
            }));
        }
        writeln!(
            console.out,
            "{}, {} vectors of length {} on {}: trained in {:.2} s, added in {:.2} s, moved in {:.2} s",
            index.recipe,
            document.rows,
            document.dimension,
            document.device,
            index.train_seconds,
            index.add_seconds,
            index.move_seconds
        )?;
        for Built { name, train_seconds, add_seconds, .. } in &index.peers {
            writeln!(console.out, "({name}: trained in {train_seconds:.2} s, added in {add_seconds:.2} s)")?;
        }
        let head = [
            "wanted",
            "by",
            "recall",
            "nprobe",
            "batch",
            "ms",
            "queries/s",
            "read GB/s",
            "of a copy",
            "to best peer",
        ];
        table::write(&mut *console.out, head, &cells)?;
        for recall in &index.beyond {
            writeln!(console.out, "recall {recall} is beyond all lists that can be looked into")?;
        }
        for Built { name, beyond, .. } in &index.peers {
            for recall in beyond {
                writeln!(console.out, "({name}: recall {recall} is beyond all lists)")?;
            }
        }
    }
    for absent in &document.absent {
        writeln!(console.out, "absent: {absent}")?;
    }
    Ok(())
}
