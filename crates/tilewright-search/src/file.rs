//! Indexes in files.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `TWSEARCH` |
//! | 4 | version, 1 |
//! | 4 | length of the description |
//! | 32 | SHA-256 of the description |
//! | | the description, JSON: recipe, metric, length of vectors, and where which section lies |
//! | | sections: transform and its offset, centroids, codebooks, offsets, ids, vectors, codes, biases, factors, as the recipe has them; each on a multiple of 64 bytes, little-endian |

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tilewright_core::{Element, Error, Result, Tensor};

use crate::coded::{self, Coded};
use crate::log::Identity;
use crate::recipe::{Codes, Recipe};
use crate::segment::{Part, Segment, joined};
use crate::snapshot::Snapshot;
use crate::transform::Transform;

const MAGIC: &[u8; 8] = b"TWSEARCH";
const VERSION: u32 = 1;
/// Bytes before the description.
const PREFIX: usize = 48;
/// What sections begin on a multiple of.
const ALIGNMENT: usize = 64;
/// The longest description that is read.
const LONGEST: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Description {
    recipe: String,
    metric: String,
    dimension: usize,
    vectors: usize,
    sections: Vec<Section>,
}

#[derive(Serialize, Deserialize)]
struct Section {
    name: String,
    /// From the end of the description, rounded up.
    offset: usize,
    bytes: usize,
    sha256: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a snapshot as one part, and lets it take the place of `path` at once. Before it does, `seal` learns what will identify the file.
pub(crate) fn save(
    snapshot: &Snapshot,
    path: &Path,
    seal: impl FnOnce(&Identity) -> std::io::Result<()>,
) -> Result<Identity> {
    let failed = |why: std::io::Error| Error::file("save", path, why);
    let whole = match &snapshot.parts[..] {
        [part] if part.alive == part.segment.len() => part.clone(),
        parts => joined(parts, snapshot.recipe.nlist(), snapshot.d)?,
    };
    let segment = &whole.segment;
    let mut contents: Vec<(&str, &[u8])> = Vec::new();
    if let Some(transform) = &snapshot.transform {
        contents.push(("transform", bytemuck::cast_slice(transform.a.as_slice::<f32>()?)));
        contents.push(("offset", bytemuck::cast_slice(transform.offset.as_slice::<f32>()?)));
    }
    if let Some(centroids) = &snapshot.centroids {
        contents.push(("centroids", bytemuck::cast_slice(centroids.as_slice::<f32>()?)));
    }
    if let Some(codebooks) = &snapshot.codebooks {
        contents.push(("codebooks", bytemuck::cast_slice(codebooks.as_slice::<f32>()?)));
    }
    contents.push(("offsets", bytemuck::cast_slice(segment.offsets.as_slice::<u32>()?)));
    contents.push(("ids", bytemuck::cast_slice(segment.ids.as_slice::<i64>()?)));
    contents.push(("vectors", bytemuck::cast_slice(segment.data.as_slice::<f32>()?)));
    if let Some(codes) = &segment.codes {
        contents.push(("codes", codes.codes.as_slice::<u8>()?));
        if let Some(biases) = &codes.biases {
            contents.push(("biases", bytemuck::cast_slice(biases.as_slice::<f32>()?)));
        }
        if let Some(factors) = &codes.factors {
            contents.push(("factors", bytemuck::cast_slice(factors.as_slice::<f32>()?)));
        }
    }
    let (mut sections, mut offset) = (Vec::new(), 0usize);
    for (name, bytes) in &contents {
        let sha256 = hex(&Sha256::digest(bytes));
        sections.push(Section { name: (*name).to_owned(), offset, bytes: bytes.len(), sha256 });
        offset = (offset + bytes.len()).next_multiple_of(ALIGNMENT);
    }
    let description = Description {
        recipe: snapshot.recipe.to_string(),
        metric: snapshot.metric.to_string(),
        dimension: snapshot.given,
        vectors: segment.len(),
        sections,
    };
    let description = serde_json::to_vec(&description).map_err(|why| Error::file("save", path, why))?;
    let identity: Identity = Sha256::digest(&description).into();
    in_place_of(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&VERSION.to_le_bytes())?;
        file.write_all(&(description.len() as u32).to_le_bytes())?;
        file.write_all(&identity)?;
        file.write_all(&description)?;
        let mut written = PREFIX + description.len();
        for (_, bytes) in &contents {
            let padding = written.next_multiple_of(ALIGNMENT) - written;
            file.write_all(&[0; ALIGNMENT][..padding])?;
            file.write_all(bytes)?;
            written += padding + bytes.len();
        }
        seal(&identity)
    })
    .map_err(failed)?;
    Ok(identity)
}

/// What identifies the index file that is there.
pub(crate) fn identity(path: &Path) -> Result<Identity> {
    let mut head = [0u8; PREFIX];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .map_err(|why| Error::file("load", path, why))?;
    Ok(head[16..].try_into().expect("32 bytes"))
}

/// Writes under another name in the same folder, waits until it is on the disk, and renames: a kill at any moment leaves the old file or the new one.
pub(crate) fn in_place_of(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let mut temporary = path.as_os_str().to_owned();
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    temporary.push(format!(".{}.{number}.part", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = File::create(&temporary).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&temporary, path)?;
        // The rename itself is safe once the folder is; where folders cannot be opened, it is as safe as they make it.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).map_or(Ok(()), |folder| folder.sync_all())
    });
    if written.is_err() {
        // Leave nothing half-written behind; the error says what went wrong.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Elements within a mapped file.
struct Mapped<T> {
    map: Arc<Mmap>,
    start: usize,
    end: usize,
    element: PhantomData<fn() -> T>,
}

impl<T: Element> AsRef<[T]> for Mapped<T> {
    fn as_ref(&self) -> &[T] {
        bytemuck::cast_slice(&self.map[self.start..self.end])
    }
}

/// Opens a file; with `verify` compares the sections with their checksums too.
pub(crate) fn load(path: &Path, verify: bool) -> Result<Snapshot> {
    let failed = |why: &dyn std::fmt::Display| Error::file("load", path, why);
    if cfg!(target_endian = "big") {
        return Err(failed(&"files are little-endian, this machine is not"));
    }
    let file = File::open(path).map_err(|why| failed(&why))?;
    // SAFETY: the map is read-only, and `save` replaces files and never changes one; that nobody else does is a condition of `Index::load`.
    let map = Arc::new(unsafe { Mmap::map(&file) }.map_err(|why| failed(&why))?);
    if map.len() < PREFIX || &map[..8] != MAGIC {
        return Err(failed(&"is no index: it does not begin with TWSEARCH"));
    }
    let word = |at: usize| u32::from_le_bytes(map[at..at + 4].try_into().expect("four bytes"));
    if word(8) != VERSION {
        return Err(failed(&format!("has version {}, this program reads {VERSION}", word(8))));
    }
    let length = word(12) as usize;
    let Some(description) = map.get(PREFIX..PREFIX + length).filter(|_| length <= LONGEST) else {
        return Err(failed(&"ends within its description"));
    };
    if Sha256::digest(description)[..] != map[16..48] {
        return Err(failed(&"the checksum of the description does not fit"));
    }
    let description: Description = serde_json::from_slice(description).map_err(|why| failed(&why))?;
    let first = (PREFIX + length).next_multiple_of(ALIGNMENT);
    let recipe: Recipe = description.recipe.parse().map_err(|why| failed(&why))?;
    let metric = description.metric.parse().map_err(|why| failed(&why))?;
    let (given, n, nlist) = (description.dimension, description.vectors, recipe.nlist());
    let source = Source { path, map: &map, description: &description, first, verify };
    if given == 0 || n >= u32::MAX as usize {
        return Err(failed(&format!("holds {n} vectors of length {given}")));
    }
    let d = recipe.width(given).map_err(|why| failed(&why))?;
    let turned = description.sections.iter().any(|section| section.name == "transform");
    let transform = if turned && recipe.turn().is_some() {
        let offset = source.tensor::<f32>("offset", &[d])?;
        Some(Arc::new(Transform { a: source.tensor::<f32>("transform", &[d, given])?, offset }))
    } else {
        None
    };
    if n > 0 && recipe.turn().is_some() && transform.is_none() {
        return Err(failed(&"holds vectors that were turned, and not by what"));
    }
    let trained = description.sections.iter().any(|section| section.name == "centroids");
    let centroids = trained.then(|| source.tensor::<f32>("centroids", &[nlist, d])).transpose()?;
    let offsets = source.tensor::<u32>("offsets", &[nlist + 1])?;
    let bounds = offsets.as_slice::<u32>()?;
    if !bounds.is_sorted() || bounds[0] != 0 || bounds[nlist] as usize != n {
        return Err(failed(&"offsets do not ascend from 0 to the number of vectors"));
    }
    let mut codebooks = None;
    let mut codes = None;
    if let Some(own) = recipe.codes() {
        coded::check(own, d, metric).map_err(|why| failed(&why))?;
        if let Some(shape) = coded::learnt_shape(&recipe, d) {
            let trained = description.sections.iter().any(|section| section.name == "codebooks");
            codebooks = trained.then(|| source.tensor::<f32>("codebooks", &shape)).transpose()?;
            if n > 0 && codebooks.is_none() {
                return Err(failed(&"holds codes without codebooks"));
            }
        }
        if n > 0 {
            let biased = coded::is_biased(own, metric);
            codes = Some(Coded {
                codes: source.tensor::<u8>("codes", &coded::code_shape(own, d, n))?,
                biases: biased.then(|| source.tensor::<f32>("biases", &[n])).transpose()?,
                factors: (own == Codes::Rabitq).then(|| source.tensor::<f32>("factors", &[n])).transpose()?,
            });
        }
    }
    if n > 0 && recipe.has_lists() && centroids.is_none() {
        return Err(failed(&"holds lists without centroids"));
    }
    let segment = Segment::new(
        source.tensor::<f32>("vectors", &[n, recipe.kept(given, d)])?,
        source.tensor::<i64>("ids", &[n])?,
        offsets,
    )
    .with(codes);
    if verify {
        let mut ids = segment.ids.to_vec::<i64>()?;
        ids.sort_unstable();
        if ids.first().is_some_and(|&id| id < 0) || ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(failed(&"an id is negative or there twice"));
        }
    }
    let parts = if n == 0 { Vec::new() } else { vec![Part::new(segment)] };
    let parts = Arc::new(parts);
    Ok(Snapshot { recipe, metric, given, d, transform, centroids, codebooks, parts, device: None })
}

struct Source<'a> {
    path: &'a Path,
    map: &'a Arc<Mmap>,
    description: &'a Description,
    /// Where the sections begin.
    first: usize,
    verify: bool,
}

impl Source<'_> {
    /// A section as a tensor that lies in the file.
    fn tensor<T: Element>(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let failed = |why: String| Error::file("load", self.path, why);
        let section = self.description.sections.iter().find(|section| section.name == name);
        let section = section.ok_or_else(|| failed(format!("has no section {name}")))?;
        let elements = shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        let expected = elements.and_then(|elements| elements.checked_mul(size_of::<T>()));
        let start = self.first.checked_add(section.offset);
        let end = start.and_then(|start| start.checked_add(section.bytes));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(failed(format!("section {name} lies beyond all files")));
        };
        if expected != Some(section.bytes) || end > self.map.len() || !start.is_multiple_of(ALIGNMENT) {
            let why = format!("section {name} has {} bytes at {start} of {}", section.bytes, self.map.len());
            return Err(failed(format!(
                "{why}, expected {shape:?} within the file, on a multiple of {ALIGNMENT}"
            )));
        }
        if self.verify && hex(&Sha256::digest(&self.map[start..end])) != section.sha256 {
            return Err(failed(format!("the checksum of section {name} does not fit")));
        }
        Tensor::from_owner::<T>(Mapped { map: self.map.clone(), start, end, element: PhantomData }, shape)
    }
}
