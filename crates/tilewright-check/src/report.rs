//! Records as one page: tables, the ratio to the best peer, and the roofline. No script and nothing from elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::plot::{ratios, roofline};
use crate::record::{Role, Row, best_peer};

/// Rows of one device of one host.
type Group<'r> = Vec<&'r Row>;

/// A self-contained HTML page about some rows.
pub fn html(rows: &[Row]) -> String {
    let mut groups: BTreeMap<(&str, &str), Group> = BTreeMap::new();
    for row in rows {
        groups.entry((&row.host, &row.device)).or_default().push(row);
    }
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>tilewright bench</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<h1>tilewright bench</h1>\n",
        include_str!("report.css")
    );
    page.push_str(
        "<p>Every kernel was judged against its f64 truth before it was timed; one that failed has no time. Medians of \
         one run, in which kernel and peers took turns. <em>Fraction</em> is the least time that the peaks measured in \
         that run allow, over the median.</p>\n",
    );
    for ((host, device), rows) in &groups {
        section(&mut page, host, device, rows);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn section(page: &mut String, host: &str, device: &str, rows: &Group) {
    let first = rows[0];
    // Writing to a string cannot fail.
    let _ = writeln!(page, "<h2>{} on {}</h2>", escape(device), escape(host));
    let peak =
        |value: Option<f64>, unit: &str| value.map_or("unknown".into(), |value| format!("{value:.1} {unit}"));
    let _ = writeln!(
        page,
        "<p class=\"quiet\">{}; {}, commit {}; copy {}</p>",
        escape(&first.driver),
        escape(&first.date),
        escape(&first.commit),
        peak(first.peak_gbs, "GB/s"),
    );
    for (title, plot) in [("Ratio to the best peer", ratios(rows)), ("Roofline", roofline(rows))] {
        if let Some(plot) = plot {
            let _ = writeln!(page, "<h3>{title}</h3>\n<div class=\"wide\">{plot}</div>");
        }
    }
    let mut kernels: BTreeMap<&str, Group> = BTreeMap::new();
    for row in rows {
        kernels.entry(&row.kernel).or_default().push(row);
    }
    for (kernel, rows) in kernels {
        let _ = writeln!(page, "<h3>{}</h3>", escape(kernel));
        table(page, &rows);
    }
}

fn table(page: &mut String, rows: &Group) {
    page.push_str(
        "<div class=\"wide\"><table>\n<tr><th>case</th><th>by</th><th>median ms</th><th>MAD</th><th>min</th><th>wall ms</th>\
         <th>GFLOP/s</th><th>GB/s</th><th>fraction</th><th>to best peer</th><th>share</th><th>error</th><th>MB</th><th>verdict</th></tr>\n",
    );
    for row in rows {
        let device = (row.device_median_ms, row.device_mad_ms, row.device_min_ms);
        let wall = (row.wall_median_ms, row.wall_mad_ms, row.wall_min_ms);
        let (median, mad, min) = if row.device_median_ms.is_some() { device } else { wall };
        let ratio = match row.role {
            Role::Ours => {
                best_peer(rows.iter().copied(), row).zip(row.median()).map(|(peer, ours)| peer / ours)
            }
            Role::Peer => None,
        };
        let class = |good: bool| if good { "good" } else { "bad" };
        let ratio = ratio.map_or(String::new(), |ratio| {
            format!("<span class=\"{}\">{ratio:.2}x</span>", class(ratio >= 1.0))
        });
        let judged = if row.role == Role::Ours { class(row.verdict == "pass") } else { "quiet" };
        let cells = [median, mad, min, row.wall_median_ms, row.gflops, row.gbs].map(number);
        let _ = write!(page, "<tr><td>{}</td><td>{}", escape(&row.case), escape(&row.variant));
        if let Some(what) = &row.on_host {
            let _ = write!(page, " <span class=\"quiet\">on the host: {}</span>", escape(what));
        }
        page.push_str("</td>");
        for cell in cells {
            let _ = write!(page, "<td>{cell}</td>");
        }
        let _ = writeln!(
            page,
            "<td>{}</td><td>{ratio}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"{judged}\">{}</td></tr>",
            row.fraction.map_or(String::new(), |fraction| format!("{:.0} %", 100.0 * fraction)),
            number(row.share),
            number(row.error),
            number(row.memory.map(|bytes| bytes / 1e6)),
            escape(&row.verdict),
        );
    }
    page.push_str("</table></div>\n");
}

fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(0.0) => "0".into(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.2}"),
        Some(value) if value.abs() >= 0.001 => format!("{value:.4}"),
        Some(value) => format!("{value:.1e}"),
    }
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::row;

    fn rows() -> Vec<Row> {
        let mut failed = row("n3", Role::Ours, "cpu", None);
        failed.verdict = "output <out> is \"wrong\"".into();
        failed.on_host = Some("its order & more".into());
        vec![
            row("n1", Role::Ours, "cpu", Some(1.0)),
            row("n1", Role::Peer, "slow", Some(4.0)),
            row("n1", Role::Peer, "quick", Some(2.0)),
            row("n2", Role::Ours, "cpu", Some(3.0)),
            failed,
        ]
    }

    #[test]
    fn the_page_is_self_contained_and_says_what_was_measured() {
        let page = html(&rows());
        for part in [
            "2.00x",
            "median ms",
            "<svg",
            "output &lt;out&gt; is &quot;wrong&quot;",
            "on the host: its order &amp; more",
            "prefers-color-scheme",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        for part in ["http:", "https:", "<script", "src=", "url(", "NaN", "inf"] {
            assert!(!page.contains(part), "{part} should not be there");
        }
        for tag in ["table", "svg", "tr", "td", "div", "span", "text", "title"] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn no_rows_still_make_a_page() {
        assert!(html(&[]).ends_with("</html>\n"));
    }
}
