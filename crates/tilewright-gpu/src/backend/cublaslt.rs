//! Matrix products by NVIDIA's cuBLASLt, found when the program runs.
//!
//! The library thinks in columns: a row-major matrix is its transpose. So `out = a b` is asked for as `outᵀ = bᵀ aᵀ`, and each operand's
//! transposition follows from which of its two strides is 1. The heuristic's choice of algorithm is asked for once per problem and kept.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Arc, LazyLock, Mutex};

use cudarc::cublaslt::{result, sys};
use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::cuda::CudaStream;

const NAME: &str = "cublaslt";

/// What an algorithm may use beside its operands: the library's own advice for Hopper.
const WORKSPACE: usize = 32 << 20;

/// Problems whose algorithm is remembered.
const KEPT: usize = 4096;

/// Whether the library can be used on `device`; an error says why not.
pub fn available(device: Device) -> Result<()> {
    // SAFETY: only looks for the library's file.
    static PRESENT: LazyLock<bool> = LazyLock::new(|| unsafe { sys::is_culib_present() });
    match device {
        Device::Cuda(_) if *PRESENT => Ok(()),
        Device::Cuda(_) => Err(Error::unsupported(NAME, device, "libcublasLt was not found")),
        _ => Err(Error::unsupported(NAME, device, "cuBLASLt runs on NVIDIA GPUs")),
    }
}

/// Whether the library multiplies operands of one dtype into another.
pub fn takes(operands: DType, out: DType) -> bool {
    match operands {
        DType::F64 | DType::F32 => out == operands,
        DType::F16 | DType::Bf16 => out == operands || out == DType::F32,
        _ => false,
    }
}

/// `out = alpha a b + beta c`, with sums in f32 (f64 for f64), and never in TF32.
pub struct Product<'a> {
    /// `[batch.., m, k]`, a view with any strides.
    pub a: &'a Tensor,
    /// `[batch.., k, n]`, a view with any strides.
    pub b: &'a Tensor,
    /// `[batch.., m, n]`, a view with any strides.
    pub c: Option<&'a Tensor>,
    /// The factor of the product.
    pub alpha: f64,
    /// The factor of `c`.
    pub beta: f64,
}

/// Runs a product into `out: [batch.., m, n]`, row-major. No extent may be 0.
///
/// An operand that neither lies by rows nor by columns is copied first. Errors: the library is absent, the dtypes are not among those it
/// [`takes`], or it has no algorithm.
pub fn matmul(stream: &Stream, product: &Product<'_>, out: &mut Tensor) -> Result<()> {
    let device = stream.device();
    available(device)?;
    let Some(cuda) = stream.driver().as_any().downcast_ref::<CudaStream>() else {
        return Err(Error::unsupported(NAME, device, "the stream is not of the CUDA back end"));
    };
    if !takes(product.a.dtype(), out.dtype()) {
        let why = format!("{} operands with {} output", product.a.dtype(), out.dtype());
        return Err(Error::unsupported(NAME, device, why));
    }
    if !out.is_exclusive() || !out.is_contiguous() {
        return Err(Error::layout(
            NAME,
            "out",
            "must be row-major and share its memory with no other tensor",
        ));
    }
    let out = &*out;
    let (a, b) = (Operand::new(stream, product.a)?, Operand::new(stream, product.b)?);
    let c = product.c.map(|c| Operand::by_rows(stream, c)).transpose()?;
    let target = Operand::by_rows(stream, out)?;
    // With beta 0 the library does not read c.
    let c = c.as_ref().unwrap_or(&target);

    let operands = [&b.tensor, &a.tensor, &c.tensor, &target.tensor];
    let addresses =
        [cuda.address(&b.tensor)?, cuda.address(&a.tensor)?, cuda.address(&c.tensor)?, cuda.address(out)?];
    let batches = Batches::of(operands.map(|tensor| tensor.strides()), out.dims());
    let problem = Problem {
        device,
        // Their a is our b and the other way round.
        a: b.matrix(batches.inner_strides[0]),
        b: a.matrix(batches.inner_strides[1]),
        c: c.matrix(batches.inner_strides[2]),
        d: target.matrix(batches.inner_strides[3]),
        batches: batches.inner,
        alignment: addresses
            .iter()
            .zip(operands)
            .map(|(&address, tensor)| alignment(address, tensor))
            .fold(256, u32::min),
    };
    let plan = Plan::of(cuda, &problem)?;
    let workspace = Tensor::empty(stream, DType::U8, [plan.workspace])?;
    let scratch = cuda.address(&workspace)?;
    let raw = cuda.raw()?;
    let double = out.dtype() == DType::F64;
    let beta = if product.c.is_some() { product.beta } else { 0.0 };
    let (wide, narrow) = ([product.alpha, beta], [product.alpha as f32, beta as f32]);
    let factor = |index: usize| -> *const c_void {
        if double { (&raw const wide[index]).cast() } else { (&raw const narrow[index]).cast() }
    };
    for outer in 0..batches.outer() {
        let at = |index: usize| {
            let offset = batches.offset(index, outer) * operands[index].dtype().size();
            (addresses[index] + offset as u64) as *mut c_void
        };
        // SAFETY: the descriptors live in the plan; the addresses and strides are those of tensors that live, by stream order, until the
        // work is done; the factors are of the scale type, and read before the call returns.
        let status = unsafe {
            result::matmul(
                plan.handle,
                plan.operation,
                factor(0),
                factor(1),
                at(0),
                plan.layouts[0],
                at(1),
                plan.layouts[1],
                at(2),
                plan.layouts[2],
                at(3),
                plan.layouts[3],
                &raw const plan.algorithm,
                scratch as *mut c_void,
                plan.workspace,
                raw.cast(),
            )
        };
        check(device, status)?;
    }
    static LABEL: LazyLock<Arc<str>> = LazyLock::new(|| NAME.into());
    cuda.note(&LABEL);
    Ok(())
}

fn check<T>(device: Device, status: std::result::Result<T, result::CublasError>) -> Result<T> {
    status.map_err(|why| Error::device(NAME, device, why))
}

/// A matrix operand whose rows or columns have neighbours for elements.
struct Operand {
    tensor: Tensor,
    by_rows: bool,
}

impl Operand {
    fn new(stream: &Stream, tensor: &Tensor) -> Result<Self> {
        let by_rows = if lies_by_rows(tensor) {
            true
        } else if lies_by_rows(&tensor.transpose()?) {
            false
        } else {
            return Ok(Operand { tensor: crate::program::row_major(stream, tensor)?, by_rows: true });
        };
        Ok(Operand { tensor: tensor.clone(), by_rows })
    }

    fn by_rows(stream: &Stream, tensor: &Tensor) -> Result<Self> {
        let tensor =
            if lies_by_rows(tensor) { tensor.clone() } else { crate::program::row_major(stream, tensor)? };
        Ok(Operand { tensor, by_rows: true })
    }

    /// As the library sees it: `rows` and `columns` of the matrix in memory, whose columns are `leading` apart.
    fn matrix(&self, batch_stride: usize) -> Matrix {
        let rank = self.tensor.rank();
        let (dims, strides) = (&self.tensor.dims()[rank - 2..], &self.tensor.strides()[rank - 2..]);
        // A single line has no distance to the next; the library still wants one that is long enough.
        let (rows, columns, leading, lines) = if self.by_rows {
            (dims[1], dims[0], strides[0], dims[0])
        } else {
            (dims[0], dims[1], strides[1], dims[1])
        };
        let leading = if lines == 1 { rows } else { leading };
        Matrix { dtype: self.tensor.dtype(), rows, columns, leading, transposed: !self.by_rows, batch_stride }
    }
}

fn lies_by_rows(tensor: &Tensor) -> bool {
    let rank = tensor.rank();
    let (dims, strides) = (&tensor.dims()[rank - 2..], &tensor.strides()[rank - 2..]);
    (dims[1] == 1 || strides[1] == 1) && (dims[0] == 1 || strides[0] >= dims[1])
}

/// The largest power of two, up to 256, that divides the address of every matrix of an operand.
fn alignment(address: u64, tensor: &Tensor) -> u32 {
    let batch = &tensor.strides()[..tensor.rank() - 2];
    let steps = batch.iter().map(|&stride| (stride * tensor.dtype().size()) as u64);
    1 << steps.fold(address | 256, |bits, step| bits | step).trailing_zeros()
}

/// The leading axes of the four operands, merged into one that the library walks and outer ones that the host walks.
struct Batches {
    inner: usize,
    inner_strides: [usize; 4],
    /// Extents and each operand's strides, from the innermost of the outer axes.
    rest: Vec<(usize, [usize; 4])>,
}

impl Batches {
    fn of(strides: [&[usize]; 4], dims: &[usize]) -> Self {
        let mut axes: Vec<(usize, [usize; 4])> = Vec::new();
        for axis in (0..dims.len() - 2).rev().filter(|&axis| dims[axis] != 1) {
            let step = strides.map(|strides| strides[axis]);
            match axes.last_mut() {
                Some((extent, inner)) if (0..4).all(|of| step[of] == inner[of] * *extent) => {
                    *extent *= dims[axis]
                }
                _ => axes.push((dims[axis], step)),
            }
        }
        if axes.is_empty() {
            axes.push((1, [0; 4]));
        }
        let (inner, inner_strides) = axes.remove(0);
        Batches { inner, inner_strides, rest: axes }
    }

    fn outer(&self) -> usize {
        self.rest.iter().map(|(extent, _)| extent).product()
    }

    fn offset(&self, of: usize, mut outer: usize) -> usize {
        let mut offset = 0;
        for (extent, strides) in &self.rest {
            offset += outer % extent * strides[of];
            outer /= extent;
        }
        offset
    }
}

/// A matrix in the library's terms.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Matrix {
    dtype: DType,
    rows: usize,
    columns: usize,
    leading: usize,
    transposed: bool,
    batch_stride: usize,
}

/// Everything that the choice of an algorithm depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Problem {
    device: Device,
    a: Matrix,
    b: Matrix,
    c: Matrix,
    d: Matrix,
    batches: usize,
    /// Of the operands' addresses, in bytes.
    alignment: u32,
}

/// A problem's descriptors and the algorithm chosen for it.
struct Plan {
    handle: sys::cublasLtHandle_t,
    operation: sys::cublasLtMatmulDesc_t,
    /// a, b, c, d
    layouts: [sys::cublasLtMatrixLayout_t; 4],
    algorithm: sys::cublasLtMatmulAlgo_t,
    workspace: usize,
}

// SAFETY: the library documents its handle as usable from many threads; descriptors are only read once they are made.
unsafe impl Send for Plan {}
// SAFETY: as above.
unsafe impl Sync for Plan {}

/// A library handle. Made once per device, and kept as long as the process.
#[derive(Clone, Copy)]
struct Handle(sys::cublasLtHandle_t);

// SAFETY: usable from many threads, as the library documents.
unsafe impl Send for Handle {}

impl Plan {
    fn of(cuda: &CudaStream, problem: &Problem) -> Result<Arc<Self>> {
        type Plans = Mutex<HashMap<Problem, Arc<Plan>>>;
        static PLANS: LazyLock<Plans> = LazyLock::new(Mutex::default);
        static HANDLES: LazyLock<Mutex<HashMap<Device, Handle>>> = LazyLock::new(Mutex::default);
        let mut plans = PLANS.lock().expect("no panic holds the lock");
        if let Some(plan) = plans.get(problem) {
            return Ok(plan.clone());
        }
        // Makes the device's context current, which the handle is bound to.
        cuda.raw()?;
        let mut handles = HANDLES.lock().expect("no panic holds the lock");
        let handle = match handles.get(&problem.device) {
            Some(handle) => *handle,
            None => {
                let handle = Handle(check(problem.device, result::create_handle())?);
                handles.insert(problem.device, handle);
                handle
            }
        };
        let plan = Arc::new(Self::new(handle.0, problem)?);
        // A program that never stops meeting new shapes must not grow for ever.
        if plans.len() == KEPT {
            plans.clear();
        }
        plans.insert(problem.clone(), plan.clone());
        Ok(plan)
    }

    fn new(handle: sys::cublasLtHandle_t, problem: &Problem) -> Result<Self> {
        let device = problem.device;
        let (compute, scale) = if problem.d.dtype == DType::F64 {
            (sys::cublasComputeType_t::CUBLAS_COMPUTE_64F, sys::cudaDataType::CUDA_R_64F)
        } else {
            (sys::cublasComputeType_t::CUBLAS_COMPUTE_32F, sys::cudaDataType::CUDA_R_32F)
        };
        let mut plan = Plan {
            handle,
            operation: check(device, result::create_matmul_desc(compute, scale))?,
            layouts: [std::ptr::null_mut(); 4],
            algorithm: sys::cublasLtMatmulAlgo_t { data: [0; 8] },
            workspace: 0,
        };
        let matrices = [&problem.a, &problem.b, &problem.c, &problem.d];
        for (layout, matrix) in plan.layouts.iter_mut().zip(matrices) {
            let (rows, columns) = (matrix.rows as u64, matrix.columns as u64);
            let leading = matrix.leading as i64;
            *layout =
                check(device, result::create_matrix_layout(data_type(matrix.dtype), rows, columns, leading))?;
        }
        let preference = check(device, result::create_matmul_pref())?;
        let found = plan.configure(problem, preference);
        // SAFETY: made above, and not used after this.
        check(device, unsafe { result::destroy_matmul_pref(preference) })?;
        let found = found?;
        (plan.algorithm, plan.workspace) = (found.algo, found.workspaceSize);
        Ok(plan)
    }

    /// Fills in the descriptors and asks for an algorithm.
    fn configure(
        &self,
        problem: &Problem,
        preference: sys::cublasLtMatmulPreference_t,
    ) -> Result<sys::cublasLtMatmulHeuristicResult_t> {
        use sys::cublasLtMatmulDescAttributes_t as Of;
        use sys::cublasLtMatmulPreferenceAttributes_t as Prefer;
        use sys::cublasLtMatrixLayoutAttribute_t as Layout;
        let device = problem.device;
        for (attribute, matrix) in
            [(Of::CUBLASLT_MATMUL_DESC_TRANSA, &problem.a), (Of::CUBLASLT_MATMUL_DESC_TRANSB, &problem.b)]
        {
            let transposed = i32::from(matrix.transposed);
            // SAFETY: this attribute is an int.
            check(device, unsafe {
                result::set_matmul_desc_attribute(
                    self.operation,
                    attribute,
                    (&raw const transposed).cast(),
                    4,
                )
            })?;
        }
        for (&layout, matrix) in self.layouts.iter().zip([&problem.a, &problem.b, &problem.c, &problem.d]) {
            let (count, stride) = (problem.batches as i32, matrix.batch_stride as i64);
            let (counts, strides) = (
                Layout::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                Layout::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
            );
            // SAFETY: the first attribute is an int, the second a 64-bit one.
            unsafe {
                check(
                    device,
                    result::set_matrix_layout_attribute(layout, counts, (&raw const count).cast(), 4),
                )?;
                check(
                    device,
                    result::set_matrix_layout_attribute(layout, strides, (&raw const stride).cast(), 8),
                )?;
            }
        }
        let workspace = WORKSPACE as u64;
        // Pieces of a sum are added in the accumulator's type, never in that of the output.
        let reduction = sys::cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32;
        // SAFETY: the workspace attribute is a 64-bit size, the others are 32-bit.
        unsafe {
            let bytes = Prefer::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
            check(
                device,
                result::set_matmul_pref_attribute(preference, bytes, (&raw const workspace).cast(), 8),
            )?;
            for (attribute, value) in [
                (Prefer::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction),
                (Prefer::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &problem.alignment),
                (Prefer::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &problem.alignment),
                (Prefer::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &problem.alignment),
                (Prefer::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &problem.alignment),
            ] {
                let value: *const u32 = value;
                check(device, result::set_matmul_pref_attribute(preference, attribute, value.cast(), 4))?;
            }
        }
        let [a, b, c, d] = self.layouts;
        // SAFETY: all descriptors are live and complete.
        unsafe { result::get_matmul_algo_heuristic(self.handle, self.operation, a, b, c, d, preference) }
            .map_err(|why| Error::unsupported(NAME, device, format!("no algorithm for this problem: {why}")))
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once. A failure leaves nothing to do.
        unsafe {
            let _ = result::destroy_matmul_desc(self.operation);
            for layout in self.layouts.into_iter().filter(|layout| !layout.is_null()) {
                let _ = result::destroy_matrix_layout(layout);
            }
        }
    }
}

fn data_type(dtype: DType) -> sys::cudaDataType {
    match dtype {
        DType::F64 => sys::cudaDataType::CUDA_R_64F,
        DType::F16 => sys::cudaDataType::CUDA_R_16F,
        DType::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        _ => sys::cudaDataType::CUDA_R_32F,
    }
}
