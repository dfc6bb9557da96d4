//! Vector indexes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tilewright_core::{DType, Stream, Tensor};
use tilewright_search::{Query, read_faiss, write_faiss};

use crate::allowed::Allowed;
use crate::array;
use crate::device::{DeviceLike, stream};
use crate::errors::raise;
use crate::interrupt::{interruptible, takes_long};
use crate::tensor::Presenter;

/// Vectors by id, searched by distance. Every method may be called from any thread, while others search and add.
///
/// `factory` is a string of faiss: "Flat", "IVF1024,Flat", "IVF1024,PQ32x4fs,RFlat", "IVF1024,SQ8", "OPQ32,IVF1024,PQ32", "RR128,IVF1024,RaBitQ,RFlat". `metric` is "l2" (squared), "ip" (the negative product) or "cosine" (1 - cosine): what is near has the
/// small distance, whatever the metric. Vectors are f32 `[n, d]`.
#[pyclass(frozen, module = "tilewright.search")]
pub(crate) struct Index {
    index: Arc<tilewright_search::Index>,
    nprobe: AtomicUsize,
}

/// An index at one moment, which nothing changes any more; on a GPU, where its vectors were copied once.
#[pyclass(frozen, module = "tilewright.search")]
pub(crate) struct Snapshot {
    snapshot: tilewright_search::Snapshot,
    nprobe: AtomicUsize,
    device: tilewright_core::Device,
}

type Neighbours<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);
type InRange<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Components that are compared, beyond which Ctrl-C is looked for.
const LONG: usize = 1 << 28;

/// Ids of any integer array or sequence.
pub(crate) fn ids(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let tensor = array::tensor(object);
    // Arrays of what ids are, as they lie; whatever else has whole numbers one by one.
    if let Ok(tensor) = &tensor {
        match tensor.dtype() {
            DType::I64 => return tensor.to_vec::<i64>().map_err(raise),
            DType::I32 => return Ok(widened(tensor.to_vec::<i32>().map_err(raise)?)),
            DType::U32 => return Ok(widened(tensor.to_vec::<u32>().map_err(raise)?)),
            _ => {}
        }
    }
    if let Ok(numbers) = object.extract::<Vec<i64>>() {
        return Ok(numbers);
    }
    let dtype = tensor?.dtype();
    Err(PyTypeError::new_err(format!(
        "{name} has dtype {dtype}, expected whole numbers: i64, i32, u32 or a list"
    )))
}

fn widened<T: Into<i64>>(numbers: Vec<T>) -> Vec<i64> {
    numbers.into_iter().map(Into::into).collect()
}

fn search<'py>(
    py: Python<'py>,
    snapshot: tilewright_search::Snapshot,
    x: &Bound<'py, PyAny>,
    k: usize,
    nprobe: usize,
    allowed: Allowed,
) -> PyResult<Neighbours<'py>> {
    let queries = array::tensor(x)?;
    // A comparison is two operations for each component: what takes a core some milliseconds.
    let long = snapshot.len().saturating_mul(queries.elements()) >= LONG;
    let work = move || {
        let query = Query { k, nprobe, filter: allowed.filter(), ..Query::default() };
        let found = snapshot.search(&queries, &query)?;
        let rows = queries.dims()[0];
        Ok((Tensor::from_vec(found.distances, [rows, k])?, Tensor::from_vec(found.ids, [rows, k])?))
    };
    let (distances, ids) = interruptible(py, long, work)?;
    let presenter = Presenter::of(py, Some(x))?;
    Ok((presenter.present("distances", distances, &[])?, presenter.present("ids", ids, &[])?))
}

fn range_search<'py>(
    py: Python<'py>,
    snapshot: tilewright_search::Snapshot,
    x: &Bound<'py, PyAny>,
    radius: f32,
    nprobe: usize,
    allowed: Allowed,
) -> PyResult<InRange<'py>> {
    let queries = array::tensor(x)?;
    // A comparison is two operations for each component: what takes a core some milliseconds.
    let long = snapshot.len().saturating_mul(queries.elements()) >= LONG;
    let work = move || {
        let found = snapshot.range_search(&queries, radius, nprobe, allowed.filter())?;
        let limits: Vec<i64> = found.offsets.iter().map(|&offset| offset as i64).collect();
        let (bounds, n) = (limits.len(), found.ids.len());
        Ok((
            Tensor::from_vec(limits, [bounds])?,
            Tensor::from_vec(found.distances, [n])?,
            Tensor::from_vec(found.ids, [n])?,
        ))
    };
    let (limits, distances, ids) = interruptible(py, long, work)?;
    let presenter = Presenter::of(py, Some(x))?;
    Ok((
        presenter.present("lims", limits, &[])?,
        presenter.present("distances", distances, &[])?,
        presenter.present("ids", ids, &[])?,
    ))
}

fn metric(name: &str) -> PyResult<tilewright_search::Metric> {
    use tilewright_search::Metric;
    match name {
        "l2" => Ok(Metric::L2),
        "ip" => Ok(Metric::InnerProduct),
        "cosine" => Ok(Metric::Cosine),
        _ => Err(PyValueError::new_err(format!("metric is {name:?}, expected l2, ip or cosine"))),
    }
}

fn metric_name(metric: tilewright_search::Metric) -> &'static str {
    use tilewright_search::Metric;
    match metric {
        Metric::L2 => "l2",
        Metric::InnerProduct => "ip",
        Metric::Cosine => "cosine",
    }
}

impl Index {
    fn of(index: tilewright_search::Index) -> Self {
        Self { index: Arc::new(index), nprobe: AtomicUsize::new(1) }
    }

    fn probes(&self, nprobe: Option<usize>) -> usize {
        nprobe.unwrap_or_else(|| self.nprobe.load(Ordering::Relaxed))
    }
}

#[pymethods]
impl Index {
    #[new]
    #[pyo3(signature = (d, factory="Flat", metric="l2"))]
    fn new(d: usize, factory: &str, metric: &str) -> PyResult<Self> {
        let recipe = factory.parse().map_err(raise)?;
        tilewright_search::Index::new(recipe, d, self::metric(metric)?).map(Self::of).map_err(raise)
    }

    /// The length of the vectors.
    #[getter]
    fn d(&self) -> usize {
        self.index.snapshot().dimension()
    }

    /// How many vectors there are.
    #[getter]
    fn ntotal(&self) -> usize {
        self.index.snapshot().len()
    }

    fn __len__(&self) -> usize {
        self.ntotal()
    }

    fn __contains__(&self, id: i64) -> PyResult<bool> {
        self.index.snapshot().contains(id).map_err(raise)
    }

    /// What the index is made of, as faiss's factory strings write it.
    #[getter]
    fn factory(&self) -> String {
        self.index.snapshot().recipe().to_string()
    }

    /// "l2", "ip" or "cosine".
    #[getter]
    fn metric(&self) -> &'static str {
        metric_name(self.index.snapshot().metric())
    }

    /// Whether vectors can be added.
    #[getter]
    fn is_trained(&self) -> bool {
        self.index.snapshot().is_trained()
    }

    /// How many lists a search looks into by default. 1 at first.
    #[getter]
    fn nprobe(&self) -> usize {
        self.nprobe.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_nprobe(&self, nprobe: usize) -> PyResult<()> {
        if nprobe == 0 {
            return Err(PyValueError::new_err("nprobe is 0, expected at least 1"));
        }
        self.nprobe.store(nprobe, Ordering::Relaxed);
        Ok(())
    }

    /// Learns the lists of an index that has some from vectors `[n, d]`.
    fn train(&self, py: Python<'_>, x: &Bound<'_, PyAny>) -> PyResult<()> {
        let (index, x) = (self.index.clone(), array::tensor(x)?);
        interruptible(py, true, move || index.train(&x))
    }

    /// Takes centroids `[nlist, d]` as they are, instead of training.
    fn set_centroids(&self, py: Python<'_>, centroids: &Bound<'_, PyAny>) -> PyResult<()> {
        let centroids = array::tensor(centroids)?;
        py.detach(|| self.index.set_centroids(&centroids)).map_err(raise)
    }

    /// Adds vectors `[n, d]` under the next numbers, or under `ids`. Gives their ids.
    #[pyo3(signature = (x, ids=None))]
    fn add(
        &self,
        py: Python<'_>,
        x: &Bound<'_, PyAny>,
        ids: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<i64>> {
        let (index, x) = (self.index.clone(), array::tensor(x)?);
        let ids = ids.map(|ids| self::ids("ids", ids)).transpose()?;
        interruptible(py, takes_long(x.device(), std::slice::from_ref(&x)), move || {
            index.add(&x, ids.as_deref())
        })
    }

    /// Adds vectors `[n, d]` under `ids`.
    fn add_with_ids(&self, py: Python<'_>, x: &Bound<'_, PyAny>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        self.add(py, x, Some(ids)).map(drop)
    }

    /// Gives ids new vectors, whether they were there or not; no search sees them missing.
    fn update(&self, py: Python<'_>, x: &Bound<'_, PyAny>, ids: &Bound<'_, PyAny>) -> PyResult<()> {
        let (x, ids) = (array::tensor(x)?, self::ids("ids", ids)?);
        py.detach(|| self.index.update(&x, &ids)).map_err(raise)
    }

    /// Removes the vectors of these ids. Gives how many of them there were.
    fn remove_ids(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<usize> {
        let ids = self::ids("ids", ids)?;
        py.detach(|| self.index.remove(&ids)).map_err(raise)
    }

    /// Takes in the vectors of another index of the same kind and with the same centroids. Both keep theirs; no id may be in both.
    fn merge_from(&self, py: Python<'_>, other: &Index) -> PyResult<()> {
        let other = other.index.snapshot();
        py.detach(|| self.index.merge(&other)).map_err(raise)
    }

    /// Makes one part of all, without what has been removed.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.index.compact()).map_err(raise)
    }

    /// The `k` nearest of each of the queries `[b, d]`: distances and ids `[b, k]`, nearest first; (infinity, -1) fills up.
    ///
    /// `allowed` are the ids that may be found, or `denied` those that may not: ids (a list, an array of i64, i32 or u32, a `range`), all between two (`slice(100, 200)`), or a
    /// bitmap: bools, one for each id from 0 on, or u8, eight ids in a byte, as `numpy.packbits(.., bitorder="little")` has them.
    #[pyo3(signature = (x, k=10, *, nprobe=None, allowed=None, denied=None))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        k: usize,
        nprobe: Option<usize>,
        allowed: Option<&Bound<'py, PyAny>>,
        denied: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Neighbours<'py>> {
        search(py, self.index.snapshot(), x, k, self.probes(nprobe), Allowed::of(allowed, denied)?)
    }

    /// All whose distance is below `radius`: `lims`, distances, ids; those of query `i` are `lims[i]:lims[i + 1]`, nearest first. `allowed` and `denied` as in `search`.
    #[pyo3(signature = (x, radius, *, nprobe=None, allowed=None, denied=None))]
    fn range_search<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        radius: f32,
        nprobe: Option<usize>,
        allowed: Option<&Bound<'py, PyAny>>,
        denied: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<InRange<'py>> {
        range_search(py, self.index.snapshot(), x, radius, self.probes(nprobe), Allowed::of(allowed, denied)?)
    }

    /// The vector of an id, as a tensor `[d]`.
    fn reconstruct(&self, id: i64) -> PyResult<crate::tensor::Tensor> {
        let vector = self.index.reconstruct(id).map_err(raise)?;
        let d = vector.len();
        Tensor::from_vec(vector, [d]).map(crate::tensor::Tensor::new).map_err(raise)
    }

    /// The index as it is now, on `device` if one is named.
    #[pyo3(signature = (device=None))]
    fn snapshot(&self, py: Python<'_>, device: Option<DeviceLike>) -> PyResult<Snapshot> {
        let device = device.map(DeviceLike::resolve).transpose()?.unwrap_or(tilewright_core::Device::Cpu);
        let now = self.index.snapshot();
        let on = || {
            let stream = if device == tilewright_core::Device::Cpu { Stream::cpu() } else { stream(device)? };
            now.on(&stream)
        };
        let snapshot = py.detach(on).map_err(raise)?;
        Ok(Snapshot { snapshot, nprobe: AtomicUsize::new(self.nprobe()), device })
    }

    /// What the index holds: vectors, removed, parts, lists, empty_lists, longest_list, imbalance, bytes.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let said = py.detach(|| self.index.statistics()).map_err(raise)?;
        let dict = PyDict::new(py);
        dict.set_item("vectors", said.vectors)?;
        dict.set_item("removed", said.removed)?;
        dict.set_item("parts", said.parts)?;
        dict.set_item("lists", said.lists)?;
        dict.set_item("empty_lists", said.empty_lists)?;
        dict.set_item("longest_list", said.longest_list)?;
        dict.set_item("imbalance", said.imbalance)?;
        dict.set_item("bytes", said.bytes)?;
        Ok(dict)
    }

    /// Writes one checked file, which takes the place of `path` at once; `format="faiss"` writes what `faiss.read_index` reads.
    #[pyo3(signature = (path, *, format="tilewright"))]
    fn write(&self, py: Python<'_>, path: PathBuf, format: &str) -> PyResult<()> {
        match format {
            "tilewright" => py.detach(|| self.index.save(path)).map_err(raise),
            "faiss" => py.detach(|| write_faiss(&self.index.snapshot(), path)).map_err(raise),
            _ => Err(unknown(format)),
        }
    }

    /// Opens a file that `write` wrote, or with `format="faiss"` one that faiss wrote. Vectors are read when a search comes by; `verify` reads and
    /// checks them all at once.
    #[staticmethod]
    #[pyo3(signature = (path, *, format="tilewright", verify=false))]
    fn read(py: Python<'_>, path: PathBuf, format: &str, verify: bool) -> PyResult<Self> {
        let index = match (format, verify) {
            ("tilewright", false) => py.detach(|| tilewright_search::Index::load(path)),
            ("tilewright", true) => py.detach(|| tilewright_search::Index::load_verified(path)),
            ("faiss", _) => py.detach(|| read_faiss(path)),
            _ => return Err(unknown(format)),
        };
        index.map(Self::of).map_err(raise)
    }

    fn __repr__(&self) -> String {
        let now = self.index.snapshot();
        let (d, factory, metric) = (now.dimension(), now.recipe(), metric_name(now.metric()));
        format!("<Index {factory}, {metric}, {} vectors of {d}>", now.len())
    }
}

fn unknown(format: &str) -> PyErr {
    PyValueError::new_err(format!("format is {format:?}, expected tilewright or faiss"))
}

#[pymethods]
impl Snapshot {
    /// The length of the vectors.
    #[getter]
    fn d(&self) -> usize {
        self.snapshot.dimension()
    }

    /// How many vectors there are.
    #[getter]
    fn ntotal(&self) -> usize {
        self.snapshot.len()
    }

    fn __len__(&self) -> usize {
        self.ntotal()
    }

    /// Where searches run.
    #[getter]
    fn device(&self) -> crate::device::Device {
        crate::device::Device(self.device)
    }

    /// `Index.search` of this moment.
    #[pyo3(signature = (x, k=10, *, nprobe=None, allowed=None, denied=None))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        k: usize,
        nprobe: Option<usize>,
        allowed: Option<&Bound<'py, PyAny>>,
        denied: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Neighbours<'py>> {
        let nprobe = nprobe.unwrap_or_else(|| self.nprobe.load(Ordering::Relaxed));
        search(py, self.snapshot.clone(), x, k, nprobe, Allowed::of(allowed, denied)?)
    }

    /// `Index.range_search` of this moment.
    #[pyo3(signature = (x, radius, *, nprobe=None, allowed=None, denied=None))]
    fn range_search<'py>(
        &self,
        py: Python<'py>,
        x: &Bound<'py, PyAny>,
        radius: f32,
        nprobe: Option<usize>,
        allowed: Option<&Bound<'py, PyAny>>,
        denied: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<InRange<'py>> {
        let nprobe = nprobe.unwrap_or_else(|| self.nprobe.load(Ordering::Relaxed));
        range_search(py, self.snapshot.clone(), x, radius, nprobe, Allowed::of(allowed, denied)?)
    }

    fn __repr__(&self) -> String {
        format!("<Snapshot of {} vectors of {} on {}>", self.ntotal(), self.d(), self.device)
    }
}
