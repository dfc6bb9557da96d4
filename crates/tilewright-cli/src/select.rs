//! Which kernels, cases and devices a command is about.

use std::str::FromStr;

use clap::ValueEnum;
use tilewright_core::{Case, Device, Kernel, Stream, Tier};

use crate::stop::Stop;

/// From which likeness on a word may be a misspelt name.
const ALIKE: f64 = 0.85;

/// How much of the evidence to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Depth {
    /// The small and odd cases.
    Edge,
    /// Those and the larger ones.
    Check,
    /// Those and the ones that are timed.
    Bench,
}

impl Depth {
    pub(crate) fn covers(self, tier: Tier) -> bool {
        let deepest = match self {
            Depth::Edge => Tier::Edge,
            Depth::Check => Tier::Check,
            Depth::Bench => Tier::Bench,
        };
        tier <= deepest
    }
}

/// One of several parts that together are the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which one, from 0.
    number: usize,
    /// How many there are.
    of: usize,
}

impl Part {
    /// Every N-th, so that neighbours, which are alike in cost, are shared out.
    pub(crate) fn of<T>(self, whole: Vec<T>) -> Vec<T> {
        whole.into_iter().skip(self.number).step_by(self.of).collect()
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((k, n)) if (1..=n).contains(&k) => Ok(Part { number: k - 1, of: n }),
            _ => Err("expected K/N with 1 <= K <= N, such as 1/2".to_owned()),
        }
    }
}

/// A kernel with those of its cases that were asked for.
pub(crate) struct Chosen<'k> {
    pub(crate) kernel: &'k dyn Kernel,
    pub(crate) cases: Vec<Case>,
}

/// The cases whose `family/kernel/case` contains any of the filters, all where there are none. A filter that matches no case
/// of the tiers in question is an error.
pub(crate) fn cases<'k>(
    kernels: &[&'k dyn Kernel],
    filters: &[String],
    tier: impl Fn(Tier) -> bool,
) -> Result<Vec<Chosen<'k>>, Stop> {
    let mut matched = vec![false; filters.len()];
    let mut all = Vec::new();
    for &kernel in kernels {
        let spec = kernel.spec();
        let mut wanted = |case: &Case| {
            let path = format!("{}/{}/{}", spec.family, spec.name, case.name);
            let mut any = filters.is_empty();
            for (filter, matched) in filters.iter().zip(&mut matched) {
                let hit = path.contains(filter.as_str());
                *matched |= hit;
                any |= hit;
            }
            any
        };
        let cases: Vec<Case> =
            kernel.cases().into_iter().filter(|case| tier(case.tier)).filter(|case| wanted(case)).collect();
        if !cases.is_empty() {
            all.push(Chosen { kernel, cases });
        }
    }
    match filters.iter().zip(matched).find(|(_, matched)| !matched) {
        Some((filter, _)) => Err(Stop::Usage(format!(
            "FILTER {filter:?} matches no case of family/kernel/case here; `tilewright list` names the kernels"
        ))),
        None => Ok(all),
    }
}

/// The kernel of this name.
pub(crate) fn kernel<'k>(kernels: &[&'k dyn Kernel], name: &str) -> Result<&'k dyn Kernel, Stop> {
    let names = kernels.iter().map(|kernel| kernel.spec().name);
    kernels.iter().copied().find(|kernel| kernel.spec().name == name).ok_or_else(|| {
        Stop::Usage(format!(
            "NAME {name:?} is no kernel; {}",
            hint(name, names, "`tilewright list` names them")
        ))
    })
}

/// Which of the names may be meant: those that the word is a part of, else the most alike; or where to look.
pub(crate) fn hint<'n>(word: &str, names: impl Iterator<Item = &'n str> + Clone, look: &str) -> String {
    let mut near: Vec<&str> = names.clone().filter(|name| name.contains(word)).collect();
    if near.is_empty() {
        let alike = |name: &str| strsim::jaro_winkler(word, name);
        let best = names.max_by(|a, b| alike(a).total_cmp(&alike(b)));
        near.extend(best.filter(|name| alike(name) > ALIKE));
    }
    if near.is_empty() { look.to_owned() } else { format!("did you mean {near:?}?") }
}

/// A stream on each of the devices; an absent one is an error. Where none is named, on every device that is there.
pub(crate) fn streams(named: &[Device]) -> Result<Vec<Stream>, Stop> {
    if named.is_empty() {
        let present = tilewright_gpu::devices().into_iter().filter(|(_, caps)| caps.is_ok());
        return present.map(|(device, _)| stream(device)).collect();
    }
    named.iter().map(|&device| stream(device)).collect()
}

/// A stream on one device.
pub(crate) fn stream(device: Device) -> Result<Stream, Stop> {
    tilewright_gpu::stream(device)
        .map_err(|error| Stop::Usage(format!("--device {device} cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole_and_nonsense_is_refused() {
        let whole: Vec<u32> = (0..11).collect();
        let part = |text: &str| text.parse::<Part>().unwrap().of(whole.clone());
        assert_eq!(part("1/1"), whole);
        assert_eq!(part("2/3"), [1, 4, 7, 10]);
        let mut all = [part("1/3"), part("2/3"), part("3/3")].concat();
        all.sort_unstable();
        assert_eq!(all, whole);
        for wrong in ["", "1", "0/2", "3/2", "1/0", "a/b", "-1/2"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }
}
