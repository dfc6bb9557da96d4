//! What the references of the family share: one row in f64, and how rounding errors reach its elements.

/// A row x without its mean, if that is taken off, and over the root of its mean square.
pub(super) struct Row {
    /// (x - mean) r.
    pub(super) y: Vec<f64>,
    /// What one rounding of everything before may change in each y.
    pub(super) magnitude: Vec<f64>,
    /// r.
    pub(super) scale: f64,
    /// The relative error of r that one rounding of everything before may make.
    pub(super) spread: f64,
}

/// `y = (x - mean) r`, `r = (mean square of x - mean + eps)^-1/2`.
///
/// A rounding changes the mean by at most mean |x|, and so x - mean by C = |x - mean| + mean |x|; that changes the mean square by at most
/// 2 mean(|x - mean| C) beside its own roundings, and r by half of it, relatively.
pub(super) fn row(x: &[f64], centred: bool, eps: f64) -> Row {
    let n = x.len() as f64;
    let (mut mean, mut absolute) = (0.0, 0.0);
    if centred {
        mean = x.iter().sum::<f64>() / n;
        absolute = x.iter().map(|x| x.abs()).sum::<f64>() / n;
    }
    let c: Vec<f64> = x.iter().map(|x| x - mean).collect();
    let square = c.iter().map(|c| c * c).sum::<f64>() / n + eps;
    let moved: f64 = c.iter().map(|c| c.abs() * (c.abs() + absolute)).sum::<f64>() / n;
    let scale = 1.0 / square.sqrt();
    let spread = 1.0 + moved / square;
    let y = c.iter().map(|c| c * scale).collect();
    let magnitude = c.iter().map(|c| scale * (c.abs() + absolute + c.abs() * spread)).collect();
    Row { y, magnitude, scale, spread }
}

/// Value and magnitude of each element of `y w`.
pub(super) fn forward(x: &[f64], weight: &[f64], n: usize, centred: bool, eps: f64) -> Vec<(f64, f64)> {
    let mut out = Vec::with_capacity(x.len());
    for (index, x) in x.chunks(n.max(1)).enumerate() {
        let row = row(x, centred, eps);
        for (j, (y, magnitude)) in row.y.iter().zip(&row.magnitude).enumerate() {
            let w = weight[index * n % weight.len() + j];
            out.push((y * w, magnitude * w.abs()));
        }
    }
    out
}

/// The same through a gate: times sigma of its elements, which has roundings of its own.
pub(super) fn through(out: Vec<(f64, f64)>, gate: &[f64]) -> Vec<(f64, f64)> {
    let open = |(&gate, (value, magnitude)): (&f64, (f64, f64))| {
        let sigma = 1.0 / (1.0 + (-gate).exp());
        (value * sigma, magnitude * sigma + (value * sigma).abs())
    };
    gate.iter().zip(out).map(open).collect()
}

/// What the norm gets of `dy` through a gate, dy sigma(gate).
pub(super) fn opened(dy: &[f64], gate: &[f64]) -> Vec<f64> {
    dy.iter().zip(gate).map(|(dy, gate)| dy / (1.0 + (-gate).exp())).collect()
}

/// Value and magnitude of each element of the gradient by the gate, dy out sigma(gate) sigma(-gate), from those of `out`, the norm before it.
pub(super) fn by_gate(dy: &[f64], out: Vec<(f64, f64)>, gate: &[f64]) -> Vec<(f64, f64)> {
    let each = |((&dy, &gate), (value, magnitude)): ((&f64, &f64), (f64, f64))| {
        let slope = dy / (1.0 + gate.exp()) / (1.0 + (-gate).exp());
        (value * slope, (magnitude + value.abs()) * slope.abs())
    };
    dy.iter().zip(gate).zip(out).map(each).collect()
}

/// Value and magnitude of each element of dx, and of dw.
///
/// With `g = dy w`: `dx = r (g - mean g - y mean(g y))`, without mean g where the mean is not taken off; `dw = sum dy y` over the rows of w.
pub(super) fn backward(
    dy: &[f64],
    x: &[f64],
    weight: &[f64],
    n: usize,
    centred: bool,
    eps: f64,
) -> [Vec<(f64, f64)>; 2] {
    let (mut dx, mut dw) = (Vec::with_capacity(x.len()), vec![(0.0, 0.0); weight.len()]);
    for (index, (x, dy)) in x.chunks(n.max(1)).zip(dy.chunks(n.max(1))).enumerate() {
        let row = row(x, centred, eps);
        let head = index * n % weight.len();
        let g: Vec<f64> = (0..n).map(|j| dy[j] * weight[head + j]).collect();
        let mean = |term: &dyn Fn(usize) -> f64| (0..n).map(term).sum::<f64>() / n as f64;
        let (offset, offset_magnitude) =
            if centred { (mean(&|j| g[j]), mean(&|j| g[j].abs())) } else { (0.0, 0.0) };
        let along = mean(&|j| g[j] * row.y[j]);
        let along_magnitude = mean(&|j| g[j].abs() * row.magnitude[j]);
        for j in 0..n {
            let value = row.scale * (g[j] - offset - row.y[j] * along);
            let inner = g[j].abs() + offset_magnitude;
            let product = row.magnitude[j] * along.abs() + row.y[j].abs() * along_magnitude;
            dx.push((value, row.scale * (inner + product) + value.abs() * row.spread));
            dw[head + j].0 += dy[j] * row.y[j];
            dw[head + j].1 += dy[j].abs() * row.magnitude[j];
        }
    }
    [dx, dw]
}
