//! The layout rules of the house, kept by a test: a rule that is broken names the file.

use std::fs;
use std::path::{Path, PathBuf};

use tilewright::kernels::KERNELS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file of the project's own below `folder`, relative to the root.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() {
            if !(name.starts_with('.') && name != ".ci" && name != ".cargo") && name != "target" {
                found.extend(files(&path));
            }
        } else {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    let is_source = |path: &Path| {
        path.extension()
            .is_some_and(|extension| ["rs", "metal", "h", "cu", "py"].iter().any(|known| extension == *known))
    };
    let all = files(&root()).into_iter().filter(|path| is_source(path));
    all.map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

#[test]
fn files_are_short_and_named_by_their_role() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > 600 {
            broken.push(format!("{}: {lines} lines; split it by role", path.display()));
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if ["utils", "util", "helpers", "base", "misc", "common_utils"].contains(&name.as_str()) {
            broken.push(format!("{}: a name that says nothing of its role", path.display()));
        }
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if let Some(src) = parts.iter().position(|part| part == "src")
            && parts.len() - src - 2 > 2
        {
            broken.push(format!("{}: more than two folders below src", path.display()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    // Put together here, so that this file does not hold them.
    let forbidden = [
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
        ["#[ig", "nore"].concat(),
        ["allow(dead", "_code)"].concat(),
    ];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        for (index, line) in text.lines().enumerate() {
            if let Some(what) = forbidden.iter().find(|what| line.contains(what.as_str())) {
                broken.push(format!("{}:{}: {what}", path.display(), index + 1));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_kernel_is_a_folder_with_the_files_that_its_anatomy_names() {
    let kernels = root().join("crates/tilewright-kernels/src");
    let headings = ["# Math", "# Shapes", "# Numerics", "# Constraints", "# Sources", "# Example"];
    let mut broken = Vec::new();
    for kernel in KERNELS {
        let spec = kernel.spec();
        let folder = kernels.join(spec.family).join(spec.name);
        for file in ["mod.rs", "reference.rs", "cases.rs"] {
            if !folder.join(file).is_file() {
                broken.push(format!("{}: no {file}", spec.name));
            }
        }
        // Neither, where the kernel is made of others.
        if folder.join("cpu.rs").is_file() != folder.join("gpu.rs").is_file() {
            broken.push(format!("{}: one of cpu.rs and gpu.rs without the other", spec.name));
        }
        let text = fs::read_to_string(folder.join("mod.rs")).unwrap_or_default();
        let mut from = 0;
        for heading in headings {
            match text[from..].find(&format!("//! {heading}")) {
                Some(at) => from += at,
                None => broken.push(format!("{}: no `{heading}` after the heading before it", spec.name)),
            }
        }
        if spec.math.contains('\n')
            || spec.math.is_empty()
            || spec.inputs.is_empty()
            || spec.outputs.is_empty()
        {
            broken.push(format!("{}: its spec lacks a line of mathematics, inputs or outputs", spec.name));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_kernel_folder_is_registered_and_every_name_is_unique() {
    let kernels = root().join("crates/tilewright-kernels/src");
    let mut names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.spec().name).collect();
    for family in fs::read_dir(&kernels).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for folder in fs::read_dir(family.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            let name = folder.file_name().to_string_lossy().into_owned();
            assert!(names.contains(&name.as_str()), "{} is not in KERNELS", folder.path().display());
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two kernels share a name");
}

#[test]
fn families_use_gemm_reduce_and_pack_and_no_other_family() {
    let kernels = root().join("crates/tilewright-kernels/src");
    let families: Vec<String> = fs::read_dir(&kernels)
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let Ok(inside) = root().join(&path).strip_prefix(&kernels).map(Path::to_owned) else { continue };
        let Some(own) = inside.iter().next().map(|part| part.to_string_lossy().into_owned()) else {
            continue;
        };
        let shared = ["gemm", "reduce", "pack"];
        for other in families.iter().filter(|other| **other != own && !shared.contains(&other.as_str())) {
            if families.contains(&own) && text.contains(&format!("crate::{other}::")) {
                broken.push(format!("{}: uses the family {other}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
