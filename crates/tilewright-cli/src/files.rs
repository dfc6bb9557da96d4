//! Tensors in files: `.npy`, `.npz`, `.safetensors` and `.mtx`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tilewright_core::{DType, Error, Result, Tensor, read_safetensors, write_safetensors};

use crate::matrix_market;
use crate::numpy::{self, Archive};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One array.
    Npy,
    /// A zip archive of arrays.
    Npz,
    /// Named tensors of any dtype.
    Safetensors,
    /// A matrix, as text.
    MatrixMarket,
}

impl Format {
    /// By the ending of the name.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("npy") => Ok(Format::Npy),
            Some("npz") => Ok(Format::Npz),
            Some("safetensors") => Ok(Format::Safetensors),
            Some("mtx") => Ok(Format::MatrixMarket),
            _ => Err(Error::file("file", path, "the name has to end in .npy, .npz, .safetensors or .mtx")),
        }
    }
}

/// Reads the tensor at `place`: `FILE`, or `FILE#TENSOR`. Without a tensor's name it is the file's only one, or the one that is
/// called `name`. What is text is f64.
pub(crate) fn read(place: &str, name: &str) -> Result<Tensor> {
    read_as(place, name, DType::F64)
}

/// The same, but what is text is of this dtype.
pub(crate) fn read_as(place: &str, name: &str, text: DType) -> Result<Tensor> {
    let (path, asked) = match place.split_once('#') {
        Some((path, tensor)) if !Path::new(place).exists() => (Path::new(path), Some(tensor)),
        _ => (Path::new(place), None),
    };
    match Format::of(path)? {
        Format::Npy | Format::MatrixMarket if asked.is_some() => {
            Err(Error::file("read", path, "such a file has no named tensors"))
        }
        Format::Npy => numpy::read_npy(path),
        Format::MatrixMarket => matrix_market::read(path, text),
        Format::Npz => {
            let mut archive = Archive::open(path)?;
            let chosen = choose(path, &archive.names()?, asked, name)?;
            archive.read(&chosen)
        }
        Format::Safetensors => {
            let mut tensors = read_safetensors(path)?;
            let names: Vec<String> = tensors.keys().cloned().collect();
            let chosen = choose(path, &names, asked, name)?;
            Ok(tensors.remove(&chosen).expect("chosen among the keys"))
        }
    }
}

fn choose(path: &Path, names: &[String], asked: Option<&str>, name: &str) -> Result<String> {
    let wanted = asked.unwrap_or(name);
    match names {
        _ if names.iter().any(|have| have == wanted) => Ok(wanted.to_owned()),
        [only] if asked.is_none() => Ok(only.clone()),
        _ => Err(Error::file("read", path, format!("holds no tensor {wanted:?}, but {names:?}"))),
    }
}

/// Writes named tensors: to a temporary name first, then renamed.
pub(crate) fn write(path: &Path, format: Format, tensors: &[(&str, Tensor)]) -> Result<()> {
    match format {
        Format::Safetensors => write_safetensors(path, tensors.iter().map(|(name, tensor)| (*name, tensor))),
        Format::Npy | Format::MatrixMarket => {
            let [(name, tensor)] = tensors else {
                let why =
                    format!("{} outputs do not fit such a file: take .npz or .safetensors", tensors.len());
                return Err(Error::file("write", path, why));
            };
            in_place_of(path, |file| match format {
                Format::Npy => numpy::write_npy(path, file, name, tensor),
                _ => matrix_market::write(path, file, name, tensor),
            })
        }
        Format::Npz => in_place_of(path, |file| numpy::write_npz(path, file, tensors)),
    }
}

fn in_place_of(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.part", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let failed = |why: std::io::Error| Error::file("write", path, why);
    let written = File::create(&temporary).map_err(failed).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush().and_then(|()| std::fs::rename(&temporary, path)).map_err(failed)
    });
    if written.is_err() {
        // Leave nothing half-written behind; the error says what went wrong.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
