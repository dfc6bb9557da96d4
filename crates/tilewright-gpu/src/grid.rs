//! How many threads, in which groups.

use tilewright_core::{Error, Result};

/// The size of a launch, in threads or in groups of threads: never a bare triple.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Threads in total per axis, as `mx.fast.metal_kernel` and Metal's `dispatchThreads` count. The group is shrunk to the grid
    /// where it is larger; the last groups of an axis may be smaller.
    Threads([u32; 3]),
    /// Groups per axis; every group is full.
    Groups([u32; 3]),
}

impl Grid {
    /// Threads per axis. Extents beyond `u32` saturate and are refused at launch.
    pub fn threads(threads: [usize; 3]) -> Self {
        Grid::Threads(threads.map(saturate))
    }

    /// A thread for each of so many elements, as rows of 2^30, so that each axis stays within 32 bits for any tensor that fits a device. A body
    /// counts `thread_position_in_grid.x + ulong(thread_position_in_grid.y) * threads_per_grid.x`, and returns where that is too many.
    pub fn elements(count: usize) -> Self {
        let width = count.min(1 << 30);
        Self::threads([width, count.div_ceil(width.max(1)), 1])
    }

    /// Groups per axis. Extents beyond `u32` saturate and are refused at launch.
    pub fn groups(groups: [usize; 3]) -> Self {
        Grid::Groups(groups.map(saturate))
    }

    /// Threads per axis and per group, after the group was shrunk to the grid.
    pub(crate) fn resolve(self, program: &str, group: [usize; 3]) -> Result<Extent> {
        let name = || program.to_owned();
        if group.contains(&0) {
            return Err(Error::range(name(), "group", "at least 1 thread per axis", format!("{group:?}")));
        }
        let group = group.map(saturate);
        let (threads, group) = match self {
            Grid::Threads(threads) => (threads, std::array::from_fn(|axis| group[axis].min(threads[axis]))),
            Grid::Groups(groups) => {
                let mut threads = [0; 3];
                for axis in 0..3 {
                    threads[axis] = groups[axis]
                        .checked_mul(group[axis])
                        .filter(|&all| all < u32::MAX)
                        .ok_or_else(|| {
                            Error::range(
                                name(),
                                "grid",
                                "fewer than 2^32 threads per axis",
                                format!("{self:?}"),
                            )
                        })?;
                }
                (threads, group)
            }
        };
        if threads.contains(&u32::MAX) {
            return Err(Error::range(
                name(),
                "grid",
                "fewer than 2^32 threads per axis",
                format!("{self:?}"),
            ));
        }
        Ok(Extent { threads, group })
    }
}

fn saturate(extent: usize) -> u32 {
    u32::try_from(extent).unwrap_or(u32::MAX)
}

/// A resolved grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Threads in total per axis.
    pub(crate) threads: [u32; 3],
    /// Threads per group per axis; no larger than the grid.
    pub(crate) group: [u32; 3],
}

impl Extent {
    pub(crate) fn is_empty(&self) -> bool {
        self.threads.contains(&0)
    }

    pub(crate) fn threads_per_group(&self) -> u64 {
        self.group.iter().map(|&extent| u64::from(extent)).product()
    }

    /// Groups per axis, the last ones possibly smaller.
    pub(crate) fn groups(&self) -> [u32; 3] {
        std::array::from_fn(|axis| self.threads[axis].div_ceil(self.group[axis].max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_shrink_the_group_and_groups_stay_full() {
        let extent = Grid::threads([10, 3, 1]).resolve("k", [256, 2, 1]).unwrap();
        assert_eq!((extent.group, extent.groups()), ([10, 2, 1], [1, 2, 1]));
        let extent = Grid::groups([3, 1, 1]).resolve("k", [32, 1, 1]).unwrap();
        assert_eq!(extent.threads, [96, 1, 1]);
        assert!(Grid::threads([0, 1, 1]).resolve("k", [32, 1, 1]).unwrap().is_empty());
        assert!(Grid::groups([usize::MAX, 1, 1]).resolve("k", [1, 1, 1]).is_err());
        assert!(Grid::groups([1 << 28, 1, 1]).resolve("k", [32, 1, 1]).is_err());
        assert!(Grid::threads([4, 1, 1]).resolve("k", [0, 1, 1]).is_err());
        assert_eq!(Grid::elements(7), Grid::threads([7, 1, 1]));
        assert_eq!(Grid::elements((1 << 30) + 1), Grid::threads([1 << 30, 2, 1]));
        assert!(Grid::elements(0).resolve("k", [256, 1, 1]).unwrap().is_empty());
    }
}
