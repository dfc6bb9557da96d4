//! When, from which commit and on which machine something was measured.

use std::process::Command;

use time::OffsetDateTime;

/// The circumstances of a run, as they stand in every row of its record.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Today, UTC, as 2025-01-31.
    pub date: String,
    /// The commit of the working folder, with `-dirty` where the tree has changes; `unknown` outside a repository.
    pub commit: String,
    /// The machine: its processor and the number of threads, or whatever name it was given.
    pub host: String,
    /// The processor's own name for itself.
    pub processor: String,
}

impl Origin {
    /// Here and now.
    pub fn here() -> Self {
        let processor = processor();
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        Self {
            date: OffsetDateTime::now_utc().date().to_string(),
            commit: commit().unwrap_or_else(|| "unknown".into()),
            host: slug(&format!("{processor} {threads} threads")),
            processor,
        }
    }
}

/// Lower-case letters and digits, everything else as single hyphens: fit for a folder's name.
fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { format!("{commit}-dirty") })
}

fn processor() -> String {
    let named = || {
        if cfg!(target_os = "macos") {
            let output = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
            return String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned());
        }
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").ok()?;
        let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    };
    named().filter(|name| !name.is_empty()).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_fit_for_a_folder_and_the_date_sorts() {
        assert_eq!(slug("AMD EPYC(tm) 9B14 @ 2.6/GHz .. 2 threads"), "amd-epyc-tm-9b14-2-6-ghz-2-threads");
        let here = Origin::here();
        assert!(!here.host.is_empty() && !here.commit.is_empty());
        assert_eq!(here.date.len(), 10, "{}", here.date);
        assert_eq!(here.date.split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2]);
    }
}
