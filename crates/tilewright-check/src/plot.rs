//! Two plots as inline SVG, coloured by the page's style.

use std::fmt::Write;

use crate::record::{Role, Row, best_peer};
use crate::report::escape;

/// A logarithmic axis from data to pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Covers all values, rounded outward to powers of ten.
    fn covering(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) =
            values.fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        let (low, mut high) = (10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil()));
        if high <= low {
            high = 10.0 * low;
        }
        Self { low, high, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value / self.low).log10() / (self.high / self.low).log10();
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        let (first, last) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
        (first..=last).map(|exponent| 10f64.powi(exponent))
    }
}

/// Achieved GFLOP/s over FLOP per byte, under the roofs that were measured. `None` where no row has both.
pub(crate) fn roofline(rows: &[&Row]) -> Option<String> {
    let point = |row: &&Row| {
        let intensity = row.flops / row.bytes;
        let achieved =
            row.gflops.filter(|&achieved| achieved > 0.0 && intensity > 0.0 && intensity.is_finite())?;
        Some((intensity, achieved))
    };
    let points: Vec<(&Row, (f64, f64))> = rows
        .iter()
        .filter(|row| row.role == Role::Ours)
        .filter_map(|row| point(row).map(|at| (*row, at)))
        .collect();
    if points.is_empty() {
        return None;
    }
    let (width, height) = (760.0, 380.0);
    let x = Axis::covering(points.iter().map(|(_, (x, _))| *x).chain([0.1, 100.0]), 60.0, width - 90.0);
    let peaks = rows.iter().filter_map(|row| row.peak_gflops);
    let y = Axis::covering(points.iter().map(|(_, (_, y))| *y).chain(peaks), height - 40.0, 26.0);
    let mut svg = open(width, height, "Achieved rate over arithmetic intensity, under the measured roofs");
    // Writing to a string cannot fail.
    for decade in x.decades() {
        let at = x.at(decade);
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\"/>",
            y.from, y.to
        );
        let _ = write!(
            svg,
            "<text class=\"quiet\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{decade}</text>",
            y.from + 16.0
        );
    }
    for decade in y.decades() {
        let at = y.at(decade);
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{:.1}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"/>",
            x.from, x.to
        );
        let _ = write!(
            svg,
            "<text class=\"quiet\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{decade}</text>",
            x.from - 6.0,
            at + 4.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">FLOP per byte</text>",
        (x.from + x.to) / 2.0,
        height - 6.0
    );
    let _ = write!(svg, "<text x=\"{:.1}\" y=\"12\">GFLOP/s</text>", 4.0);
    for (dtype, gflops, gbs) in roofs(rows) {
        let knee = (gflops / gbs).clamp(x.low, x.high);
        let line =
            [x.low, knee, x.high].map(|at| format!("{:.1},{:.1}", x.at(at), y.at((at * gbs).min(gflops))));
        let _ = write!(svg, "<polyline class=\"roof\" points=\"{}\"/>", line.join(" "));
        let _ = write!(
            svg,
            "<text class=\"quiet\" x=\"{:.1}\" y=\"{:.1}\">{dtype} {gflops:.0}</text>",
            x.to + 5.0,
            y.at(gflops) + 4.0
        );
    }
    for (row, (intensity, achieved)) in points {
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{} {} {}: {achieved:.1} GFLOP/s at {intensity:.2} FLOP per byte</title></circle>",
            x.at(intensity),
            y.at(achieved),
            escape(&row.kernel),
            escape(&row.case),
            escape(&row.variant),
        );
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// The roofs among the rows: dtype, GFLOP/s, GB/s; the highest of each dtype.
fn roofs<'r>(rows: &[&'r Row]) -> Vec<(&'r str, f64, f64)> {
    let mut roofs: Vec<(&str, f64, f64)> = Vec::new();
    for row in rows {
        let Some((gflops, gbs)) = row.peak_gflops.zip(row.peak_gbs) else { continue };
        match roofs.iter_mut().find(|(dtype, ..)| *dtype == row.dtype) {
            Some(roof) if roof.1 >= gflops => {}
            Some(roof) => *roof = (&row.dtype, gflops, gbs),
            None => roofs.push((&row.dtype, gflops, gbs)),
        }
    }
    roofs
}

/// One bar per problem that has a peer: how many times as long the best peer takes as our best variant.
pub(crate) fn ratios(rows: &[&Row]) -> Option<String> {
    let mut best: Vec<(&Row, f64)> = Vec::new();
    for row in rows.iter().filter(|row| row.role == Role::Ours) {
        let Some((peer, ours)) = best_peer(rows.iter().copied(), row).zip(row.median()) else { continue };
        let same = |(other, _): &&mut (&Row, f64)| {
            other.problem() == row.problem() && (&other.date, &other.commit) == (&row.date, &row.commit)
        };
        match best.iter_mut().find(same) {
            Some(entry) if entry.1 >= peer / ours => {}
            Some(entry) => *entry = (row, peer / ours),
            None => best.push((row, peer / ours)),
        }
    }
    if best.is_empty() {
        return None;
    }
    let (width, step) = (760.0, 20.0);
    let height = step * best.len() as f64 + 34.0;
    let x = Axis::covering(best.iter().map(|(_, ratio)| *ratio).chain([0.1, 10.0]), 330.0, width - 60.0);
    let mut svg = open(
        width,
        height,
        "Time of the best peer over our time, logarithmic; to the right of 1 we are faster",
    );
    for decade in x.decades() {
        let (at, class) = (x.at(decade), if decade == 1.0 { "one" } else { "axis" });
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{at:.1}\" y1=\"4\" x2=\"{at:.1}\" y2=\"{:.1}\"/>",
            height - 22.0
        );
        let _ = write!(
            svg,
            "<text class=\"quiet\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{decade}x</text>",
            height - 8.0
        );
    }
    for (line, (row, ratio)) in best.iter().enumerate() {
        let (y, one, end) = (6.0 + step * line as f64, x.at(1.0), x.at(*ratio));
        let name = escape(&format!("{} {}", row.kernel, row.case));
        let class = if *ratio >= 1.0 { "good" } else { "bad" };
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            x.from - 8.0,
            y + 12.0
        );
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{name} ({})</title></rect>",
            one.min(end),
            (end - one).abs().max(1.0),
            step - 6.0,
            escape(&row.variant),
        );
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{ratio:.2}x</text>", one.max(end) + 5.0, y + 12.0);
    }
    svg.push_str("</svg>");
    Some(svg)
}

fn open(width: f64, height: f64, label: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" aria-label=\"{}\">",
        escape(label)
    )
}
