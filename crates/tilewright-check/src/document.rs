//! Tables of speeds in documents, generated from the records that they name.
//!
//! A document asks for a table between two comments and gets one row for each problem, ours beside its best peer: the fastest
//! variant, or the one that is named. Each line of the first comment names a record.
//!
//! ```text
//! <!-- speeds bench/record/host/2025-01-31_abc.csv: kernel/case kernel/case@variant -->
//! <!-- end -->
//!
//! <!-- speeds
//! bench/record/host/2025-01-31_abc.csv: kernel/case
//! bench/record/host/2025-02-01_def.csv: kernel/case
//! -->
//! <!-- end -->
//! ```

use std::fmt::Write;
use std::path::Path;

use tilewright_core::{Error, Result};

use crate::record::{Role, Row, best_peer, read_record};

const BEGIN: &str = "<!-- speeds";
const CLOSE: &str = "-->";
const END: &str = "<!-- end -->";

/// The document with every table made anew. Record files are looked up below `root`.
///
/// Fails where a comment is not closed, a record cannot be read, or a problem that is asked for is not in it.
pub fn with_tables(document: &str, root: &Path) -> Result<String> {
    let fail = |why: String| Error::file("speeds", root, why);
    let mut text = String::with_capacity(document.len());
    let mut rest = document;
    while let Some(begin) = rest.find(BEGIN) {
        let wanted = begin + BEGIN.len();
        let place = |text: &str, from: usize| rest[from..].find(text).map(|at| from + at);
        let shut =
            place(CLOSE, wanted).ok_or_else(|| fail("the document ends in a speeds comment".into()))?;
        let asked = rest[begin..shut].trim();
        let close = place(END, shut).ok_or_else(|| fail(format!("no {END} after {asked}")))?;
        text += &rest[..shut + CLOSE.len()];
        text += HEAD;
        for line in rest[wanted..shut].lines().filter(|line| !line.trim().is_empty()) {
            let (path, problems) =
                line.split_once(':').ok_or_else(|| fail(format!("no colon in {}", line.trim())))?;
            let rows = read_record(&root.join(path.trim()))?;
            text += &lines(&rows, problems.split_whitespace())?;
        }
        rest = &rest[close..];
    }
    Ok(text + rest)
}

const HEAD: &str = "
| kernel / case | variant | time | rate | of the peak | best peer | ratio |
|---|---|---|---|---|---|---|
";

fn lines<'p>(rows: &[Row], problems: impl Iterator<Item = &'p str>) -> Result<String> {
    let mut text = String::new();
    for problem in problems {
        let (name, variant) =
            problem.split_once('@').map_or((problem, None), |(name, variant)| (name, Some(variant)));
        let (kernel, case) = name.split_once('/').unwrap_or((name, ""));
        let of_problem = |row: &&Row| {
            let asked = variant.is_none_or(|variant| row.variant == variant);
            row.role == Role::Ours && row.kernel == kernel && row.case == case && asked
        };
        // Of several variants the fastest is what a caller gets.
        let ours = rows
            .iter()
            .filter(of_problem)
            .filter(|row| row.median().is_some())
            .min_by(|a, b| a.median().partial_cmp(&b.median()).expect("medians are numbers"));
        let missing = || Error::file("speeds", problem, "is not in the record, or was not accepted there");
        let (row, median) = ours.and_then(|row| Some((row, row.median()?))).ok_or_else(missing)?;
        let rate = match (row.gflops, row.gbs) {
            (Some(gflops), Some(gbs)) if row.flops > 8.0 * row.bytes && gbs > 0.0 => {
                if gflops < 1e3 {
                    format!("{gflops:.0} GFLOP/s")
                } else {
                    format!("{:.1} TFLOP/s", gflops / 1e3)
                }
            }
            (_, Some(gbs)) => format!("{gbs:.0} GB/s"),
            _ => "–".to_owned(),
        };
        let share = row.fraction.map_or("–".to_owned(), |fraction| format!("{:.0} %", fraction * 100.0));
        let peer = rows.iter().filter(|peer| peer.role == Role::Peer && peer.problem() == row.problem());
        let name = peer
            .filter(|peer| peer.median().is_some() && peer.median() == best_peer(rows, row))
            .map(|peer| peer.variant.as_str())
            .next();
        let (peer, ratio) = match (best_peer(rows, row), name) {
            (Some(best), Some(name)) => (format!("{name} {}", time(best)), format!("{:.2}", best / median)),
            _ => ("–".to_owned(), "–".to_owned()),
        };
        writeln!(
            text,
            "| {kernel} / {case} | {} | {} | {rate} | {share} | {peer} | {ratio} |",
            row.variant,
            time(median)
        )
        .expect("strings take writes");
    }
    Ok(text)
}

fn time(milliseconds: f64) -> String {
    if milliseconds < 0.1 {
        format!("{:.1} µs", milliseconds * 1e3)
    } else {
        format!("{milliseconds:.3} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::row;
    use crate::record::write_record;

    #[test]
    fn tables_follow_their_records_and_nothing_else_changes() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [
            row("small", Role::Ours, "slow", Some(4.0)),
            row("small", Role::Ours, "fast", Some(2.0)),
            row("small", Role::Peer, "other", Some(3.0)),
        ];
        let path = write_record(folder.path(), &rows).unwrap();
        let name = path.strip_prefix(folder.path()).unwrap().display();
        let document = format!("before\n<!-- speeds {name}: scale/small -->\nstale\n<!-- end -->\nafter\n");
        let made = with_tables(&document, folder.path()).unwrap();
        assert!(made.starts_with("before\n") && made.ends_with("<!-- end -->\nafter\n"), "{made}");
        assert!(
            made.contains("| scale / small | fast | 2.000 ms") && made.contains("| other 3.000 ms | 1.50 |"),
            "{made}"
        );
        assert!(!made.contains("stale"));
        assert_eq!(with_tables(&made, folder.path()).unwrap(), made);
        // Of several records, a line each.
        let both = document.replacen(" -->", &format!("\n\n{name}: scale/small@slow\n-->"), 1);
        let both = with_tables(&both, folder.path()).unwrap();
        let [fast, slow] =
            ["| fast | 2.000 ms", "| slow | 4.000 ms"].map(|row| both.find(row).expect("a row of it"));
        assert!(fast < slow && both.matches("\n|---").count() == 1, "{both}");
        let named = with_tables(&document.replace("small", "small@slow"), folder.path()).unwrap();
        assert!(named.contains("| scale / small | slow | 4.000 ms"), "{named}");
        for (broken, part) in [
            (format!("<!-- speeds {name}: scale/large -->\n<!-- end -->"), "scale/large"),
            (format!("<!-- speeds {name}: scale/small -->\n"), "no <!-- end -->"),
            (format!("<!-- speeds {name}: scale/small\n<!-- end"), "ends in a speeds comment"),
            ("<!-- speeds a/b -->\n<!-- end -->".to_owned(), "no colon in a/b"),
            ("<!-- speeds absent.csv: a/b -->\n<!-- end -->".to_owned(), "absent.csv"),
        ] {
            assert!(with_tables(&broken, folder.path()).unwrap_err().to_string().contains(part));
        }
    }
}
