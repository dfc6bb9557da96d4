//! The sum of f64 terms, rounded once: the truth where f64 itself is judged.

/// `sum a b` over the pairs and the sum of the absolute products.
///
/// The products are split into two numbers each without error, and the sum is kept as numbers that do not overlap (Shewchuk, "Adaptive precision
/// floating-point arithmetic", 1997, grow-expansion), so nothing is lost before the end.
pub(super) fn dot(pairs: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let mut parts: Vec<f64> = Vec::new();
    let mut magnitude = 0.0;
    for (a, b) in pairs {
        let product = a * b;
        magnitude += product.abs();
        for mut x in [product, a.mul_add(b, -product)] {
            let mut kept = 0;
            for i in 0..parts.len() {
                let (large, small) = if x.abs() < parts[i].abs() { (parts[i], x) } else { (x, parts[i]) };
                x = large + small;
                let error = small - (x - large);
                if error != 0.0 {
                    parts[kept] = error;
                    kept += 1;
                }
            }
            parts.truncate(kept);
            parts.push(x);
        }
    }
    (parts.iter().sum(), magnitude)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_lost() {
        let pairs = [(1e200, 1e100), (3.0, 1.0), (-1e200, 1e100), (1e-200, 1e-90)];
        assert_eq!(super::dot(pairs.into_iter()).0, 3.0);
        let third = 1.0 / 3.0;
        assert_eq!(super::dot([(third, 3.0), (-1.0, 1.0)].into_iter()).0, -1.0 / (1u64 << 54) as f64);
        assert_eq!(super::dot(std::iter::empty()), (0.0, 0.0));
    }
}
