//! Where a thread stands: built-ins of whole, clipped and small groups.

use tilewright_core::DType;

use super::Hazard;

/// The 39 numbers of `builtins.metal` for each thread of a grid, from what `dispatchThreads` is defined to do.
fn builtins(name: &'static str, grid: [usize; 3], group: [usize; 3]) -> Hazard {
    let requested: [usize; 3] = std::array::from_fn(|axis| group[axis].min(grid[axis]));
    let groups: [usize; 3] = std::array::from_fn(|axis| grid[axis].div_ceil(requested[axis]));
    let mut expected = Vec::new();
    for z in 0..grid[2] {
        for y in 0..grid[1] {
            for x in 0..grid[0] {
                let p = [x, y, z];
                let at: [usize; 3] = std::array::from_fn(|axis| p[axis] / requested[axis]);
                let within: [usize; 3] = std::array::from_fn(|axis| p[axis] % requested[axis]);
                let actual: [usize; 3] =
                    std::array::from_fn(|axis| requested[axis].min(grid[axis] - at[axis] * requested[axis]));
                let (threads, asked): (usize, usize) = (actual.iter().product(), requested.iter().product());
                let index = (within[2] * actual[1] + within[1]) * actual[0] + within[0];
                for triple in [requested, [0; 3], grid, p, within, at, groups, grid, actual] {
                    expected.extend(triple);
                }
                expected.extend([asked.div_ceil(4), asked.div_ceil(32), index / 4, threads.div_ceil(4)]);
                expected.extend([index / 32, threads.div_ceil(32), 32, index % 4, index % 32, index, 32]);
                expected.push((threads - index / 32 * 32).min(32));
            }
        }
    }
    let expected = expected.into_iter().map(|value| value as f64).collect();
    Hazard::new(name, include_str!("builtins.metal"), grid, group).output("out", DType::U32, expected)
}

/// `lattice.metal`: each thread gets what the one opposite in its group holds.
fn lattice() -> Hazard {
    let (grid, group) = ([6usize, 5], [4usize, 2]);
    let mut expected = Vec::new();
    for y in 0..grid[1] {
        for x in 0..grid[0] {
            let opposite = |p: usize, axis: usize| {
                let first = p / group[axis] * group[axis];
                first + group[axis].min(grid[axis] - first) - 1 - (p - first)
            };
            expected.push((opposite(y, 1) * grid[0] + opposite(x, 0)) as f64);
        }
    }
    Hazard::new("lattice", include_str!("lattice.metal"), [6, 5, 1], [4, 2, 1])
        .input("x", DType::F32, (0..30).map(f64::from).collect())
        .output("out", DType::F32, expected)
}

pub(crate) fn hazards() -> Vec<Hazard> {
    vec![
        builtins("builtins_whole", [128, 1, 1], [64, 1, 1]),
        builtins("builtins_clipped", [100, 1, 1], [48, 1, 1]),
        builtins("builtins_larger_than_grid", [10, 1, 1], [256, 1, 1]),
        builtins("builtins_small", [21, 1, 1], [5, 1, 1]),
        builtins("builtins_plane", [20, 7, 1], [16, 4, 1]),
        builtins("builtins_plane_clipped_below", [16, 7, 1], [8, 5, 1]),
        builtins("builtins_rows", [1, 70, 1], [1, 32, 1]),
        builtins("builtins_space", [5, 3, 4], [2, 2, 3]),
        builtins("builtins_one", [1, 1, 1], [1, 1, 1]),
        lattice(),
    ]
}
