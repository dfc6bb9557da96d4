//! The loss over the steps, as a picture.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 40.0;
const MARGIN: f64 = 16.0;

/// The losses of steps 1, 2, .. as an SVG: each loss, and their running mean. `None` where no loss is finite.
pub fn loss_curve(losses: &[f64]) -> Option<String> {
    let finite: Vec<(f64, f64)> = losses
        .iter()
        .enumerate()
        .map(|(index, &loss)| ((index + 1) as f64, loss))
        .filter(|(_, loss)| loss.is_finite())
        .collect();
    let (_, first) = finite.first()?;
    let (mut low, mut high) =
        finite.iter().fold((*first, *first), |(low, high), &(_, y)| (low.min(y), high.max(y)));
    if high - low < 1e-9 {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let step = round_step((high - low) / 5.0);
    (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
    let last = losses.len().max(2) as f64;
    let x = |step: f64| LEFT + (step - 1.0) / (last - 1.0) * (WIDTH - LEFT - MARGIN);
    let y = |loss: f64| MARGIN + (high - loss) / (high - low) * (HEIGHT - BOTTOM - MARGIN);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" role=\"img\" \
         aria-label=\"Loss over training steps\"><style>text{{font:12px sans-serif;fill:#555}}</style>\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>"
    );
    // Writing to a string cannot fail.
    let lines = ((high - low) / step).round() as usize;
    for line in 0..=lines {
        let loss = low + step * line as f64;
        let at = y(loss);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.2}</text>",
            WIDTH - MARGIN,
            LEFT - 6.0,
            at + 4.0
        );
    }
    for part in 0..=4 {
        let at = (1.0 + (last - 1.0) * f64::from(part) / 4.0).round();
        let (x, y) = (x(at), HEIGHT - BOTTOM + 18.0);
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{at}</text>");
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">step</text><text x=\"4\" y=\"12\">loss, nats</text>",
        (LEFT + WIDTH - MARGIN) / 2.0,
        HEIGHT - 6.0
    );
    let points = |line: &mut dyn Iterator<Item = (f64, f64)>| {
        line.map(|(step, loss)| format!("{:.1},{:.1}", x(step), y(loss))).collect::<Vec<_>>().join(" ")
    };
    // A long run has more steps than the picture has dots.
    let every = finite.len().div_ceil(2000);
    let raw = points(&mut finite.iter().copied().step_by(every));
    let keep = 1.0 - 1.0 / (finite.len() as f64 / 30.0).max(1.0);
    let (mut sum, mut weight) = (0.0, 0.0);
    let smooth = finite.iter().map(|&(step, loss)| {
        (sum, weight) = (keep * sum + (1.0 - keep) * loss, keep * weight + (1.0 - keep));
        (step, sum / weight)
    });
    let smooth = points(&mut smooth.collect::<Vec<_>>().into_iter().step_by(every));
    let line = |points: &str, colour: &str, width: f64| {
        format!("<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>")
    };
    svg += &line(&raw, "#b9cbe8", 1.0);
    svg += &line(&smooth, "#1f5fbf", 2.0);
    svg += "</svg>\n";
    Some(svg)
}

/// 1, 2 or 5 times a power of ten, at least `rough`.
fn round_step(rough: f64) -> f64 {
    let decade = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * decade)
        .find(|&step| step >= rough)
        .unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_hold_every_point_within_their_frame() {
        let losses: Vec<f64> = (0..50).map(|step| 5.5 / (1.0 + f64::from(step)).sqrt()).collect();
        let svg = loss_curve(&losses).unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        let raw = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let points: Vec<(f64, f64)> = raw
            .split(' ')
            .map(|point| {
                let (x, y) = point.split_once(',').unwrap();
                (x.parse().unwrap(), y.parse().unwrap())
            })
            .collect();
        assert_eq!(points.len(), 50);
        assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "a falling loss falls");
        assert!(points.iter().all(|&(x, y)| (LEFT..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y)));
    }

    #[test]
    fn odd_runs_have_a_picture_or_none() {
        assert!(loss_curve(&[]).is_none() && loss_curve(&[f64::NAN]).is_none());
        for losses in [&[2.0][..], &[2.0, 2.0], &[f64::NAN, 1.0, f64::INFINITY, 3.0]] {
            let svg = loss_curve(losses).unwrap();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert_eq!([0.3, 1.0, 4.9, 7.0, 0.021].map(round_step), [0.5, 1.0, 5.0, 10.0, 0.05]);
    }
}
