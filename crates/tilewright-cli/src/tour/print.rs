//! The results as text.

use crate::stop::Stop;
use crate::{Console, table};

use super::Document;
use super::meter::Measured;

/// Lines of a hit that are shown,
const LINES: usize = 6;
/// and letters of each.
const LETTERS: usize = 100;

pub(super) fn print(document: &Document, console: &mut Console) -> Result<(), Stop> {
    let Document { text, svd, accuracy, .. } = document;
    let out = &mut *console.out;
    writeln!(
        out,
        "{}: {} files, {} passages, {} terms",
        document.path.display(),
        text.files,
        text.passages,
        text.terms
    )?;
    if text.files_skipped > 0 {
        writeln!(out, "left out: {} files that are too large, unreadable or not UTF-8", text.files_skipped)?;
    }
    writeln!(out, "query: {}\n", document.query)?;
    for (place, hit) in document.hits.iter().enumerate() {
        writeln!(out, "{}. {:.4}  {}:{}", place + 1, hit.score, hit.file, hit.line)?;
        for line in hit.text.lines().take(LINES) {
            let shown: String = line.chars().take(LETTERS).collect();
            writeln!(out, "   | {shown}{}", if shown.len() < line.len() { " ..." } else { "" })?;
        }
        let more = hit.text.lines().count().saturating_sub(LINES);
        if more > 0 {
            writeln!(out, "   | ... {more} more lines")?;
        }
        writeln!(out)?;
    }
    let rows: Vec<[String; 10]> = document.steps.iter().map(row).collect();
    let header =
        ["step", "kernel", "on", "variant", "calls", "first ms", "median ms", "GFLOP/s", "GB/s", "of peak"];
    table::write(out, header, &rows)?;
    let peak = |value: Option<f64>, unit: &str| {
        value.map_or_else(|| "none".into(), |value| format!("{value:.0} {unit}"))
    };
    let (copy, product) = (document.peaks.copy_gbs, document.peaks.gflops(tilewright_core::DType::F32));
    writeln!(
        out,
        "peaks measured now on {} ({}): copy {}, f32 product {}\n",
        document.device,
        document.device_name,
        peak(copy, "GB/s"),
        peak(product, "GFLOP/s")
    )?;
    let (rank, values) = (svd.rank, &svd.singular_values);
    writeln!(
        out,
        "SVD: {rank} singular values, {:.4} to {:.4}; {} vectors iterated {} times, residual {:.1e}",
        values[0],
        values[rank - 1],
        svd.columns,
        svd.iterations,
        svd.residual
    )?;
    writeln!(
        out,
        "accuracy against f64: singular values {:.1e} (first), {:.1e} (leading quarter), {:.1e} (all); |VᵀV - I| {:.1e}; \
         neighbours {} of {} in place, scores within {:.1e}",
        accuracy.first_singular_value,
        accuracy.leading_singular_values,
        accuracy.all_singular_values,
        accuracy.orthonormality,
        accuracy.neighbours_in_place,
        document.hits.len(),
        accuracy.scores
    )?;
    if let Some(low_rank) = &document.low_rank {
        let errors = low_rank.ranks.iter().zip(&low_rank.errors).zip(&low_rank.optimum);
        let errors = errors
            .map(|((rank, error), best)| format!("{rank}: {:.3} % ({:.3} %)", 100.0 * error, 100.0 * best));
        writeln!(
            out,
            "low-rank model, error by rank (the best there is, Eckart and Young): {}",
            errors.collect::<Vec<_>>().join(", ")
        )?;
        if let Some(rebuilt) = &low_rank.rebuilt {
            writeln!(
                out,
                "passages rebuilt from neighbours: {} systems of {} unknowns at once, |b - a x| / (|a| |x| eps) at most {:.2}; \
                 {:.3} away on average, where the nearest neighbour is {:.3}",
                rebuilt.systems, rebuilt.unknowns, rebuilt.ratio, rebuilt.distance, rebuilt.nearest
            )?;
        }
    }
    if let Some(model) = &document.model {
        writeln!(
            out,
            "\nan xLSTM of {} weights learned for {:.1} s: {} steps, {:.0} bytes/s, loss {:.2} to {:.2} nats a byte; then it wrote at {:.0} bytes/s:",
            model.parameters,
            model.seconds,
            model.steps,
            model.learned_per_second,
            model.first_loss,
            model.last_loss,
            model.written_per_second
        )?;
        for line in format!("{}{}", model.prompt, model.written).lines() {
            writeln!(out, "   | {line}")?;
        }
        writeln!(out)?;
    }
    for note in &document.notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(writeln!(out, "{:.1} s in all", document.seconds)?)
}

fn row(step: &Measured) -> [String; 10] {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.1}"));
    [
        step.step.to_owned(),
        step.kernel.to_owned(),
        step.device.clone(),
        step.variant.to_owned(),
        step.calls.to_string(),
        format!("{:.3}", step.first_ms),
        format!("{:.3}", step.median_ms),
        number(step.gflops),
        number(step.gbs),
        step.fraction.map_or(String::new(), |fraction| format!("{:.0} %", 100.0 * fraction)),
    ]
}
