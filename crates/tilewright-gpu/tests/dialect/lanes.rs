//! SIMD groups: reductions, scans, shuffles, votes and quads over the lanes that take part.

use tilewright_core::DType;

use super::Hazard;

/// Small whole numbers, so that sums are exact in any order and in half and bfloat.
fn whole_numbers(count: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * 7) % 11) as f64 - 4.0).collect()
}

/// Which threads return early.
type Skip = fn(usize) -> bool;

/// For each thread: the threads of its SIMD group that take part, in order; none for one that does not itself.
fn parties(threads: usize, group: usize, skip: Skip) -> Vec<Vec<usize>> {
    let party = |i: usize| {
        let first = i / group * group + i % group / 32 * 32;
        let end = (first + 32).min(i / group * group + group).min(threads);
        if skip(i) { Vec::new() } else { (first..end).filter(|&other| !skip(other)).collect() }
    };
    (0..threads).map(party).collect()
}

fn factor(v: f64) -> f64 {
    if v < 0.0 {
        -1.0
    } else if v > 2.0 {
        2.0
    } else {
        1.0
    }
}

fn reductions(name: &'static str, threads: [usize; 3], group: [usize; 3], skip: Skip) -> Hazard {
    let count = threads.iter().product();
    let x = whole_numbers(count);
    let (mut f, mut u) = (Vec::new(), Vec::new());
    for party in parties(count, group.iter().product(), skip) {
        if party.is_empty() {
            f.extend([0.0; 10]);
            u.extend([0.0; 11]);
            continue;
        }
        let v: Vec<f64> = party.iter().map(|&i| x[i]).collect();
        let w: Vec<u32> = v.iter().map(|v| (v + 8.0) as u32).collect();
        let (sum, product): (f64, f64) = (v.iter().sum(), v.iter().map(|&v| factor(v)).product());
        let max = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let min = v.iter().copied().fold(f64::INFINITY, f64::min);
        f.extend([sum, product, max, min, sum, max, sum, min, 2.0 * sum, -min]);
        let threes = w.iter().fold(1u32, |product, w| product.wrapping_mul(if w % 2 == 1 { 3 } else { 1 }));
        let fold = |start: u32, op: fn(u32, u32) -> u32| f64::from(w.iter().copied().fold(start, op));
        let total = f64::from(w.iter().sum::<u32>());
        u.extend([total, f64::from(threes), max + 8.0, min + 8.0]);
        u.extend([fold(u32::MAX, |a, b| a & (b | 16)), fold(0, |a, b| a | b), fold(0, |a, b| a ^ b)]);
        u.extend([total, min + 1000.0, sum + 1000.0, max + 1000.0]);
    }
    Hazard::new(name, include_str!("reductions.metal"), threads, group)
        .input("x", DType::F32, x)
        .input("skip", DType::U32, (0..count).map(|i| f64::from(u8::from(skip(i)))).collect())
        .output("f", DType::F32, f)
        .output("u", DType::U32, u)
}

fn prefix(name: &'static str, threads: usize, group: usize, skip: Skip) -> Hazard {
    let x = whole_numbers(threads);
    let (mut f, mut u) = (Vec::new(), Vec::new());
    for (i, party) in parties(threads, group, skip).into_iter().enumerate() {
        if party.is_empty() {
            f.extend([0.0; 8]);
            u.extend([0.0; 3]);
            continue;
        }
        let before: Vec<f64> = party.iter().filter(|&&other| other < i).map(|&other| x[other]).collect();
        let exclusive: f64 = before.iter().sum();
        let product: f64 = before.iter().map(|&v| factor(v)).product();
        let inclusive = exclusive + x[i];
        f.extend([
            inclusive,
            exclusive,
            product * factor(x[i]),
            product,
            inclusive,
            exclusive,
            2.0 * inclusive,
            exclusive,
        ]);
        let shifted = inclusive + 8.0 * (before.len() + 1) as f64;
        u.extend([shifted, before.len() as f64, shifted]);
    }
    Hazard::new(name, include_str!("prefix.metal"), [threads, 1, 1], [group, 1, 1])
        .input("x", DType::F32, x)
        .input("skip", DType::U32, (0..threads).map(|i| f64::from(u8::from(skip(i)))).collect())
        .output("f", DType::F32, f)
        .output("u", DType::U32, u)
}

fn votes(name: &'static str, threads: usize, group: usize, skip: Skip) -> Hazard {
    let mut expected = Vec::new();
    for (i, party) in parties(threads, group, skip).into_iter().enumerate() {
        if party.is_empty() {
            expected.extend([0.0; 7]);
            continue;
        }
        let lane = |thread: usize| thread % group % 32;
        let bits = |keep: fn(usize) -> bool| -> f64 {
            party
                .iter()
                .map(|&thread| lane(thread))
                .filter(|&lane| keep(lane))
                .map(|lane| f64::from(1u32 << lane))
                .sum()
        };
        let (odd, active) = (bits(|lane| lane % 2 == 1), bits(|_| true));
        let flag = |value: bool| f64::from(u8::from(value));
        expected.extend([flag(odd != 0.0), flag(odd == active), odd, 0.0, active, flag(party[0] == i), 1.0]);
    }
    Hazard::new(name, include_str!("votes.metal"), [threads, 1, 1], [group, 1, 1])
        .input("skip", DType::U32, (0..threads).map(|i| f64::from(u8::from(skip(i)))).collect())
        .output("out", DType::U32, expected)
}

fn divergence() -> Hazard {
    let mut expected = Vec::new();
    for lane in 0..32u32 {
        expected.push(if lane % 2 == 1 { 256 } else { 240 + 1000 });
        expected.push(if lane < 3 { 4 } else { 0 });
        // In round k the lanes with lane % 5 > k are left.
        expected.push((0..lane % 5).map(|k| (0..32).filter(|other| other % 5 > k).count() as u32).sum());
        expected.push(32);
        // Of lanes 20 to 31, 21, 24, 27 and 30 are multiples of 3.
        expected.push(if lane >= 20 { (2 + 16 + 128 + 1024) * 100 + 20 } else { 0 });
        expected.push(75 * 74 / 2);
        expected.push((0..lane % 7).map(|k| (0..32).filter(|other| other % 7 > k).count() as u32).sum());
    }
    let expected = expected.into_iter().map(f64::from).collect();
    Hazard::new("divergence", include_str!("divergence.metal"), [32, 1, 1], [32, 1, 1]).output(
        "out",
        DType::U32,
        expected,
    )
}

fn shuffles() -> Hazard {
    let x: Vec<f64> = (0..32).map(|i| f64::from(i) * 2.0 + 1.0).collect();
    let mut expected = Vec::new();
    for lane in 0..32usize {
        // The lane `by` further within segments of `width`, and whether that goes past the segment's end.
        let beyond = |by: isize, width: isize| {
            let within = lane as isize % width + by;
            (
                (lane as isize / width * width + within.rem_euclid(width)) as usize,
                !(0..width).contains(&within),
            )
        };
        let filled = |by: isize, width: isize| {
            let (from, past) = beyond(by, width);
            x[from] + if past { 100.0 } else { 0.0 }
        };
        expected.extend([x[31 - lane], x[lane ^ 5], x[7], x[0], x[beyond(-3, 32).0], x[beyond(3, 32).0]]);
        expected.extend([filled(-2, 32), filled(2, 32), filled(-3, 8), filled(3, 8)]);
        expected.extend([x[lane ^ 1], x[lane ^ 2], x[lane ^ 1], 1.0, 3.0 * x[lane ^ 16], x[beyond(1, 32).0]]);
    }
    Hazard::new("shuffles", include_str!("shuffles.metal"), [32, 1, 1], [32, 1, 1])
        .input("x", DType::F32, x)
        .output("out", DType::F32, expected)
}

fn shuffles_beyond() -> Hazard {
    let x: Vec<f64> = (0..20).map(|i| f64::from(i) + 0.5).collect();
    let mut expected = Vec::new();
    for lane in 0..20usize {
        let there = |other: usize| x[if other < 20 { other } else { lane }];
        expected.extend([
            there(lane + 4),
            there(lane.wrapping_sub(4)),
            there(lane + 10),
            there(lane ^ 16),
            x[lane],
            x[lane],
        ]);
    }
    let hazard =
        Hazard::new("shuffles_beyond", include_str!("shuffles_beyond.metal"), [20, 1, 1], [20, 1, 1]);
    Hazard { beyond_metal: true, ..hazard.input("x", DType::F32, x).output("out", DType::F32, expected) }
}

fn quads() -> Hazard {
    let x: Vec<f64> = (0..32).map(|i| f64::from(i % 9) - 3.0).collect();
    let mut expected = Vec::new();
    for lane in 0..32usize {
        let (first, place) = (lane / 4 * 4, lane % 4);
        let quad = &x[first..first + 4];
        let exclusive: f64 = quad[..place].iter().sum();
        let flag = |value: bool| f64::from(u8::from(value));
        expected.extend([
            quad.iter().sum::<f64>(),
            quad.iter().map(|&v| if v < 0.0 { -1.0 } else { 2.0 }).product(),
        ]);
        expected.push(quad.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        expected.push(quad.iter().copied().fold(f64::INFINITY, f64::min));
        expected.push(f64::from((first..first + 4).fold(0, |bits, other| bits | 1u32 << (other % 7))));
        expected.extend([quad[2], quad[0], quad[3 - place], quad[place ^ 1], quad[(place + 1) % 4]]);
        expected.extend([exclusive + quad[place], exclusive]);
        expected.push((0..4).map(|other| flag(quad[other] > 0.0) * f64::from(1 << other)).sum());
        let (any, all) = (quad.iter().any(|&v| v > 3.0), quad.iter().all(|&v| v > 0.0));
        expected.push(flag(any) + 2.0 * flag(all) + 4.0 * flag(place == 0));
    }
    Hazard::new("quads", include_str!("quads.metal"), [32, 1, 1], [32, 1, 1])
        .input("x", DType::F32, x)
        .output("out", DType::F32, expected)
}

pub(crate) fn hazards() -> Vec<Hazard> {
    let none: Skip = |_| false;
    let thirds: Skip = |i| i % 3 == 0;
    let most: Skip = |i| i % 32 != 13;
    vec![
        reductions("reductions_full", [64, 1, 1], [64, 1, 1], none),
        reductions("reductions_absent", [20, 1, 1], [20, 1, 1], none),
        reductions("reductions_clipped", [90, 1, 1], [40, 1, 1], none),
        reductions("reductions_plane", [9, 5, 1], [9, 5, 1], none),
        reductions("reductions_exited", [96, 1, 1], [96, 1, 1], thirds),
        reductions("reductions_absent_and_exited", [50, 1, 1], [50, 1, 1], thirds),
        reductions("reductions_alone", [64, 1, 1], [32, 1, 1], most),
        prefix("prefix_full", 64, 64, none),
        prefix("prefix_absent", 45, 45, none),
        prefix("prefix_exited", 64, 64, thirds),
        prefix("prefix_absent_and_exited", 25, 25, thirds),
        votes("votes_full", 32, 32, none),
        votes("votes_absent", 44, 44, none),
        votes("votes_exited", 64, 64, thirds),
        divergence(),
        shuffles(),
        shuffles_beyond(),
        quads(),
    ]
}
