//! An evaluation as one page: recall against queries a second, and the numbers.

use std::fmt::Write;

use super::Point;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 80.0;
const BOTTOM: f64 = 44.0;
const MARGIN: f64 = 20.0;

/// The columns of a table of points.
pub(super) fn headings(k: usize) -> [String; 4] {
    ["nprobe".into(), format!("recall@{k}"), "queries/s".into(), "compared GB/s".into()]
}

/// A point's row.
pub(super) fn cells(point: &Point) -> [String; 4] {
    let Point { nprobe, recall, queries_per_second, compared_gb_per_second } = point;
    [
        nprobe.to_string(),
        format!("{recall:.4}"),
        format!("{queries_per_second:.0}"),
        format!("{compared_gb_per_second:.1}"),
    ]
}

/// Queries a second, on a logarithmic axis, over recall.
fn plot(points: &[Point], k: usize) -> String {
    let logs = || points.iter().map(|point| point.queries_per_second.log10());
    let (low, high) =
        (logs().fold(f64::INFINITY, f64::min).floor(), logs().fold(f64::NEG_INFINITY, f64::max).ceil());
    let high = if high > low { high } else { low + 1.0 };
    let least = points.iter().map(|point| point.recall).fold(1.0, f64::min);
    let least = ((least * 10.0).floor() / 10.0).min(0.9);
    let x = |recall: f64| LEFT + (recall - least) / (1.0 - least) * (WIDTH - LEFT - MARGIN);
    let y = |log: f64| MARGIN + (high - log) / (high - low) * (HEIGHT - BOTTOM - MARGIN);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" role=\"img\" aria-label=\"Queries a second over recall\">"
    );
    // Writing to a string cannot fail.
    for exponent in low as i32..=high as i32 {
        let at = y(f64::from(exponent));
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - MARGIN,
            LEFT - 6.0,
            at + 4.0,
            10f64.powi(exponent)
        );
    }
    for part in 0..=5 {
        let recall = least + (1.0 - least) * f64::from(part) / 5.0;
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{recall:.2}</text>",
            x(recall),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let place = |point: &Point| (x(point.recall), y(point.queries_per_second.log10()));
    let path: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = write!(svg, "<polyline points=\"{}\"/>", path.join(" "));
    for point in points {
        let (x, y) = place(point);
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>nprobe {}</title></circle>",
            point.nprobe
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">recall@{k}</text><text x=\"4\" y=\"14\">queries/s</text></svg>",
        (LEFT + WIDTH - MARGIN) / 2.0,
        HEIGHT - 6.0
    );
    svg
}

/// A page that needs nothing but itself. The title holds no markup: it is made of a recipe and numbers.
pub(super) fn page(title: &str, k: usize, points: &[Point]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>\
         body{{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}\
         td,th{{text-align:right;padding:.2rem .8rem;border-bottom:1px solid #ddd}}\
         svg text{{font:12px sans-serif;fill:#555}}svg line{{stroke:#ddd}}\
         svg polyline{{fill:none;stroke:#0a6}}svg circle{{fill:#0a6}}</style><h1>{title}</h1>"
    );
    page += &plot(points, k);
    page += "<table><tr>";
    for heading in headings(k) {
        let _ = write!(page, "<th>{heading}</th>");
    }
    page += "</tr>";
    for point in points {
        let row = cells(point).map(|cell| format!("<td>{cell}</td>"));
        let _ = write!(page, "<tr>{}</tr>", row.concat());
    }
    page + "</table></html>\n"
}
