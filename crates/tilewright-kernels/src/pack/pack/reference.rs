//! The truth: the formula, a pair at a time, without a remainder until the end.

/// The checksum of `bytes`.
pub(in crate::pack) fn checksum(bytes: &[u8]) -> u64 {
    let word = |j: usize| {
        let byte = |at: usize| u64::from(bytes.get(4 * j + at).copied().unwrap_or(0));
        let word = byte(0) + 256 * byte(1) + 65536 * byte(2) + 16777216 * byte(3);
        let key = (j as u64 + 1) * 0x9e3779b1 % (1 << 32);
        u128::from((word + key) % (1 << 32)) + 1
    };
    let pairs: u128 = (0..bytes.len().div_ceil(8)).map(|i| word(2 * i) * word(2 * i + 1) % (1 << 64)).sum();
    ((pairs + bytes.len() as u128 * 0x9e3779b97f4a7c15) % (1 << 64)) as u64
}
