//! Text files, cut into passages.

use std::path::{Path, PathBuf};

use crate::progress;
use crate::stop::Stop;

/// Files of a folder that are read: prose and source.
const ENDINGS: [&str; 22] = [
    "md", "txt", "rst", "org", "tex", "rs", "metal", "cu", "cuh", "h", "c", "cc", "cpp", "hpp", "py", "toml",
    "go", "java", "js", "ts", "swift", "sh",
];
/// Beyond this a file is data, not text that someone wrote.
const FILE_BYTES: u64 = 4 << 20;
/// What is held in memory at most.
const TEXT_BYTES: usize = 512 << 20;
/// A blank line ends a passage of at least so many lines,
const PASSAGE_LINES: usize = 6;
/// and this many lines end it anyway.
const PASSAGE_LINES_MOST: usize = 14;

/// Some lines of a file.
pub(super) struct Passage {
    /// The position of its file in [`Text::files`].
    pub(super) file: usize,
    /// The number of its first line, from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// What was read.
pub(super) struct Text {
    /// Relative to the folder that was named.
    pub(super) files: Vec<String>,
    /// Files of a known ending that are too large, unreadable or not UTF-8.
    pub(super) skipped: usize,
    pub(super) passages: Vec<Passage>,
}

/// This repository: the nearest folder at or above the current one that holds a workspace with crates.
pub(super) fn repository() -> Result<PathBuf, Stop> {
    let here = std::env::current_dir()
        .map_err(|why| Stop::Usage(format!("PATH is not given, and there is no current folder: {why}")))?;
    let found =
        here.ancestors().find(|folder| folder.join("Cargo.toml").is_file() && folder.join("crates").is_dir());
    found.map(Path::to_owned).ok_or_else(|| {
        Stop::Usage(format!(
            "PATH is not given, and {} lies in no repository with Cargo.toml and crates/: name a file or folder of text",
            here.display()
        ))
    })
}

/// Reads a file, or all text files under a folder, in the order of their names.
pub(super) fn read(path: &Path) -> Result<Text, Stop> {
    let wrong = |why: &dyn std::fmt::Display| Stop::Usage(format!("PATH {}: {why}", path.display()));
    let about = std::fs::metadata(path).map_err(|why| wrong(&why))?;
    let mut text = Text { files: Vec::new(), skipped: 0, passages: Vec::new() };
    if about.is_file() {
        let content = content(path).map_err(|why| wrong(&why))?;
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        text.add(name, &content);
    } else if about.is_dir() {
        let files = files(path).map_err(|why| wrong(&why))?;
        let bar = progress::bar(files.len(), "reading");
        let mut bytes = 0;
        for file in files {
            bar.inc(1);
            let Ok(content) = content(&file) else {
                text.skipped += 1;
                continue;
            };
            bytes += content.len();
            if bytes > TEXT_BYTES {
                return Err(wrong(&format!(
                    "more than {} MiB of text; name a smaller folder",
                    TEXT_BYTES >> 20
                )));
            }
            text.add(file.strip_prefix(path).unwrap_or(&file).display().to_string(), &content);
        }
        bar.finish_and_clear();
    } else {
        return Err(wrong(&"neither a file nor a folder"));
    }
    if text.passages.is_empty() {
        let skipped = match text.skipped {
            0 => String::new(),
            skipped => format!("; {skipped} files were too large, unreadable or not UTF-8"),
        };
        return Err(wrong(&format!("holds no text{skipped} (looked for .{})", ENDINGS.join(" ."))));
    }
    Ok(text)
}

/// A file, or all text files under a folder, in the order of their names, one after another. Errors name `argument`.
pub(crate) fn joined(argument: &str, path: &Path) -> Result<String, Stop> {
    let wrong = |why: &dyn std::fmt::Display| Stop::Usage(format!("{argument} {}: {why}", path.display()));
    let about = std::fs::metadata(path).map_err(|why| wrong(&why))?;
    let mut all = String::new();
    if about.is_file() {
        if about.len() > TEXT_BYTES as u64 {
            return Err(wrong(&format!("more than {} MiB of text", TEXT_BYTES >> 20)));
        }
        all = std::fs::read_to_string(path).map_err(|why| wrong(&why))?;
    } else if about.is_dir() {
        for file in files(path).map_err(|why| wrong(&why))? {
            let Ok(content) = content(&file) else { continue };
            all += &content;
            all.push('\n');
            if all.len() > TEXT_BYTES {
                return Err(wrong(&format!(
                    "more than {} MiB of text; name a smaller folder",
                    TEXT_BYTES >> 20
                )));
            }
        }
    } else {
        return Err(wrong(&"neither a file nor a folder"));
    }
    if all.is_empty() { Err(wrong(&"holds no text")) } else { Ok(all) }
}

/// The text files under a folder, sorted. Hidden ones, `target` and symbolic links are left out: without links there is no
/// loop, and nothing outside of the folder.
fn files(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            // A folder within that is closed to us is not the user's mistake.
            Err(_) if folder != root => continue,
            entries => entries?,
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            if kind.is_dir() && name != "target" {
                open.push(path);
            } else if kind.is_file()
                && path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn content(path: &Path) -> Result<String, String> {
    let bytes = std::fs::metadata(path).map_err(|why| why.to_string())?.len();
    if bytes > FILE_BYTES {
        return Err(format!("{} MiB, more than {}", bytes >> 20, FILE_BYTES >> 20));
    }
    let content = std::fs::read_to_string(path).map_err(|why| why.to_string())?;
    if content.contains('\0') { Err("binary data".to_owned()) } else { Ok(content) }
}

impl Text {
    fn add(&mut self, file: String, content: &str) {
        let mut lines: Vec<&str> = Vec::new();
        let mut first = 1;
        let mut next = 1;
        let mut close = |lines: &mut Vec<&str>, first: usize| {
            while lines.last().is_some_and(|line| line.trim().is_empty()) {
                lines.pop();
            }
            if !lines.is_empty() {
                self.passages.push(Passage { file: self.files.len(), line: first, text: lines.join("\n") });
                lines.clear();
            }
        };
        for line in content.lines() {
            let blank = line.trim().is_empty();
            if lines.is_empty() {
                first = next;
            }
            if !(blank && lines.is_empty()) {
                lines.push(line);
            }
            if (blank && lines.len() > PASSAGE_LINES) || lines.len() == PASSAGE_LINES_MOST {
                close(&mut lines, first);
            }
            next += 1;
        }
        close(&mut lines, first);
        self.files.push(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_keep_their_first_line_and_lose_nothing_but_blank_lines() {
        let content: String =
            (1..=40).map(|n| if n % 9 == 0 { "\n".into() } else { format!("line {n}\n") }).collect();
        let mut text = Text { files: Vec::new(), skipped: 0, passages: Vec::new() };
        text.add("a.md".into(), &content);
        let lines: Vec<&str> = content.lines().collect();
        let mut kept = 0;
        for passage in &text.passages {
            for (offset, line) in passage.text.lines().enumerate() {
                assert_eq!(line, lines[passage.line - 1 + offset]);
                kept += usize::from(!line.is_empty());
            }
            assert!(passage.text.lines().count() <= PASSAGE_LINES_MOST);
        }
        assert_eq!(kept, 36);
        assert!(text.passages.len() >= 4);
    }
}
