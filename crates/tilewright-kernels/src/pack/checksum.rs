//! The checksum of packed bytes: a sum, so that any order and any number of threads give the same.
//!
//! Of the words w(0), w(1), .. of 4 bytes (little-endian, the last filled up with zeros) and keys k(j) = (j + 1) 0x9e3779b1 mod 2^32, modulo 2^64:
//! bytes 0x9e3779b97f4a7c15 + sum over pairs of (1 + (w(2i) + k(2i) mod 2^32)) (1 + (w(2i + 1) + k(2i + 1) mod 2^32)), the last pair filled up with a
//! zero word. It is NH of UMAC (RFC 4418) but for the ones, which see to it that any change within one word changes the sum.

/// What the count of bytes is multiplied with.
pub(super) const LENGTH: u64 = 0x9e37_79b9_7f4a_7c15;
const KEY: u32 = 0x9e37_79b1;

/// The sum over the pairs of `bytes`, the first of which is pair `first`.
#[inline(always)]
pub(super) fn pairs(bytes: &[u8], first: usize) -> u64 {
    let term = |pair: &[u8; 8], key: u32| {
        let word = |at: usize| u32::from_le_bytes([pair[at], pair[at + 1], pair[at + 2], pair[at + 3]]);
        let (a, b) = (word(0).wrapping_add(key), word(4).wrapping_add(key.wrapping_add(KEY)));
        let (a, b) = (u64::from(a), u64::from(b));
        (a * b).wrapping_add(a).wrapping_add(b).wrapping_add(1)
    };
    let key = |pair: usize| (2 * pair as u32).wrapping_add(1).wrapping_mul(KEY);
    let (whole, rest) = bytes.as_chunks::<8>();
    let mut sum = 0u64;
    // Keys in 32 bits, counted from the first, so that the loop becomes SIMD.
    let start = key(first);
    for (pair, at) in whole.iter().zip(0u32..) {
        sum = sum.wrapping_add(term(pair, start.wrapping_add(at.wrapping_mul(KEY.wrapping_mul(2)))));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        sum = sum.wrapping_add(term(&last, key(first + whole.len())));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u64 {
        pairs(bytes, 0).wrapping_add((bytes.len() as u64).wrapping_mul(LENGTH))
    }

    #[test]
    fn it_is_the_formula_and_parts_add_up() {
        let bytes: Vec<u8> = (0..1003u32).map(|at| ((at * 7919) >> 3) as u8).collect();
        let mut filled = bytes.clone();
        filled.resize(1008, 0);
        let word = |j: usize| {
            let word = u32::from_le_bytes(filled[4 * j..][..4].try_into().unwrap());
            u128::from(word.wrapping_add((j as u32 + 1).wrapping_mul(0x9e3779b1))) + 1
        };
        let sum: u128 = (0..126).map(|i| word(2 * i) * word(2 * i + 1)).sum();
        assert_eq!(u128::from(of(&bytes)), (sum + 1003 * 0x9e3779b97f4a7c15) % (1 << 64));
        assert_eq!(pairs(&bytes, 0), pairs(&bytes[..400], 0).wrapping_add(pairs(&bytes[400..], 50)));
    }

    #[test]
    fn changes_are_seen() {
        let bytes: Vec<u8> = (0..256u32).map(|at| (at * 31) as u8).collect();
        let whole = of(&bytes);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                assert_ne!(of(&other), whole);
            }
        }
        let swapped = |a: usize, b: usize| {
            let mut other = bytes.clone();
            other.swap(a, b);
            of(&other)
        };
        assert_ne!(swapped(0, 8), whole);
        assert_ne!(swapped(3, 4), whole);
        assert_ne!(of(&bytes[..248]), whole);
        assert_ne!(of(&[0; 8]), of(&[0; 16]));
        assert_ne!(of(&[0; 3]), of(&[0; 4]));
    }
}
