//! Evidence. Every conversion has one right answer, so outputs are judged byte for byte.
//!
//! Sources mix any bits at all (NaNs, infinities, subnormals), the ends of every target's range, and numbers with few bits, which are often halfway between
//! two numbers of a smaller format.

use bytemuck::cast_slice;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Shape, Slot, Spec, Stream, Tensor,
    Tier, Work, with_element,
};

use super::{CopyTo, NAME, check_formats, copy, reference};
use crate::arguments::choose;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "elementwise",
    math: "out[i, j, ..] = convert(x[i, j, ..])",
    inputs: &[Slot::new("x", "[..]")],
    outputs: &[Slot::new("out", "[..]")],
    args: &[ArgSpec {
        name: "dtype",
        default: "same",
        doc: "the dtype of the copy; same keeps that of the source",
    }],
    dtypes: &DType::ALL,
};

/// The pairs that run everywhere; all others are `Check`, since each is a compilation of its own.
const EVERYWHERE: [(DType, DType); 12] = [
    (DType::F32, DType::Bf16),
    (DType::Bf16, DType::F32),
    (DType::F32, DType::F16),
    (DType::F16, DType::F32),
    (DType::F32, DType::F8E4M3),
    (DType::F8E4M3, DType::Bf16),
    (DType::F8E5M2, DType::F16),
    (DType::F32, DType::I8),
    (DType::F32, DType::I64),
    (DType::I64, DType::Bf16),
    (DType::U64, DType::F8E5M2),
    (DType::Bool, DType::F32),
];

fn cases() -> Vec<Case> {
    let case = |tier, m, n, dtype| Case::new(tier, &[("m", m), ("n", n)], dtype);
    let to = |case: Case, dtype: DType| case.set("dtype", dtype.name());
    let (f32, bf16, u8, i64) = (DType::F32, DType::Bf16, DType::U8, DType::I64);
    let mut cases = vec![
        case(Tier::Edge, 0, 3, f32),
        case(Tier::Edge, 1, 1, f32),
        case(Tier::Edge, 1, 1, f32).data("scalar"),
        case(Tier::Edge, 3, 1371, u8),
        case(Tier::Edge, 3, 1371, u8).data("offset"),
        case(Tier::Edge, 7, 293, bf16).data("offset"),
        case(Tier::Edge, 5, 7, i64).data("offset"),
        to(case(Tier::Edge, 5, 7, f32).data("offset"), bf16),
        case(Tier::Edge, 33, 35, f32).data("transposed"),
        case(Tier::Edge, 3, 70, f32).data("transposed"),
        case(Tier::Edge, 65, 67, u8).data("transposed"),
        to(case(Tier::Edge, 31, 34, f32).data("transposed"), bf16),
        case(Tier::Edge, 17, 19, f32).data("turned_outside"),
        case(Tier::Edge, 17, 19, f32).data("batched"),
        case(Tier::Edge, 11, 13, f32).data("sliced"),
        case(Tier::Edge, 11, 13, f32).data("every_other"),
        case(Tier::Edge, 11, 13, f32).data("broadcast_rows"),
        case(Tier::Edge, 11, 13, f32).data("broadcast_columns"),
        case(Tier::Edge, 2, 3, f32).data("reversed_axes"),
        to(case(Tier::Edge, 11, 13, f32).data("sliced"), bf16),
        case(Tier::Check, 1021, 2053, f32).data("transposed"),
        case(Tier::Check, 517, 260, bf16).data("batched"),
        to(case(Tier::Check, 517, 260, f32).data("turned_outside"), bf16),
        case(Tier::Check, 1021, 2053, f32).data("sliced"),
        case(Tier::Check, 1021, 2053, f32).data("every_other"),
        case(Tier::Check, 1021, 2053, u8).data("offset"),
        case(Tier::Bench, 1 << 12, 1 << 13, f32),
        to(case(Tier::Bench, 1 << 12, 1 << 13, f32), bf16),
        to(case(Tier::Bench, 1 << 15, 1 << 13, f32), bf16),
        to(case(Tier::Bench, 1 << 12, 1 << 13, bf16), f32),
        to(case(Tier::Bench, 1 << 12, 1 << 13, DType::F8E4M3), bf16),
        case(Tier::Bench, 1 << 12, 1 << 13, f32).data("transposed"),
        case(Tier::Bench, 1 << 12, 1 << 13, bf16).data("transposed"),
        case(Tier::Bench, 1 << 12, 1 << 13, f32).data("sliced"),
    ];
    for from in DType::ALL {
        for target in DType::ALL.into_iter().filter(|&target| target != from) {
            let tier = if EVERYWHERE.contains(&(from, target)) { Tier::Edge } else { Tier::Check };
            cases.push(to(case(tier, 3, 331, from), target));
        }
    }
    cases
}

/// Reals whose neighbourhoods decide something: ends of ranges and halves between small floats.
const TURNING_POINTS: [f64; 44] = [
    0.0,
    0.5,
    1.0,
    1.5,
    2.5,
    0.999_999_99,
    127.0,
    127.5,
    128.0,
    128.5,
    129.0,
    255.0,
    255.5,
    256.0,
    448.0,
    464.0,
    464.1,
    480.0,
    32767.5,
    32768.0,
    57344.0,
    61439.9,
    61440.0,
    65504.0,
    65519.9,
    65520.0,
    65535.9,
    65536.0,
    16_777_217.0,
    2_147_483_647.5,
    2_147_483_648.0,
    4_294_967_295.5,
    4_294_967_296.0,
    9_223_372_036_854_775_807.0,
    18_446_744_073_709_551_616.0,
    3.4028235e38,
    3.4e39,
    1e300,
    1e-300,
    1e-45,
    1.1754942e-38,
    2.98e-8,
    7.63e-6,
    9.77e-4,
];

/// The bits of element `index` of a case's source.
fn source_bits(dtype: DType, index: usize, random: &mut ChaCha8Rng) -> u64 {
    let bits: u64 = random.random();
    let real = match index % 4 {
        0 => return bits & (u64::MAX >> (64 - 8 * dtype.size())),
        1 => TURNING_POINTS[index / 4 % TURNING_POINTS.len()],
        2 => (bits >> 52) as f64 * f64::exp2(f64::from(random.random_range(-30..30))),
        _ => f64::from(random.random_range(0..1024)) / 4.0,
    };
    let real = if bits & 1 == 1 { -real } else { real };
    reference::convert(DType::F64, dtype, real.to_bits())
}

/// The view `data` of fresh elements that has shape `[m, n]`, or `[b, m, n]` with b = 3 for batches.
fn source(case: &Case) -> Result<Tensor> {
    let (m, n) = (case.dim("m"), case.dim("n"));
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let mut fresh = |dims: &[usize]| {
        let elements = dims.iter().product();
        let bits = (0..elements).map(|index| source_bits(case.dtype, index, &mut random));
        let bytes: Vec<u8> =
            bits.flat_map(|bits| bits.to_le_bytes().into_iter().take(case.dtype.size())).collect();
        with_element!(case.dtype, T => Tensor::from_vec::<T>(bytemuck::pod_collect_to_vec(&bytes), dims))
    };
    match case.data {
        "scalar" => fresh(&[]),
        "offset" => fresh(&[m * n + 1])?.slice(0, 1..m * n + 1)?.reshape([m, n]),
        "transposed" => fresh(&[n, m])?.transpose(),
        "batched" => fresh(&[3, n, m])?.transpose(),
        "turned_outside" => fresh(&[3, n, m])?.permute(&[2, 0, 1]),
        "sliced" => fresh(&[m, n + 2])?.slice(1, 1..n + 1),
        "every_other" => fresh(&[m, n, 2])?.select(2, 1),
        "broadcast_rows" => fresh(&[1, n])?.broadcast_to([m, n]),
        "broadcast_columns" => fresh(&[m, 1])?.broadcast_to([m, n]),
        "reversed_axes" => fresh(&[m, n, 2, 1, 3, 2, 2, 3])?.permute(&[7, 6, 5, 4, 3, 2, 1, 0]),
        _ => fresh(&[m, n]),
    }
}

fn target(case: &Case) -> Result<DType> {
    match case.args.text("dtype", "same")? {
        "same" => Ok(case.dtype),
        name => name.parse(),
    }
}

fn variants(device: Device, from: DType, to: DType) -> Result<Vec<&'static str>> {
    check_formats(device, from, to)?;
    Ok(vec![if device == Device::Cpu { "cpu" } else { "portable" }])
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![source(case)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (from, to) = (case.dtype, target(case)?);
        let bytes = inputs[0].to_bytes()?;
        let converted: Vec<u8> = bytes
            .chunks(from.size())
            .flat_map(|element| {
                let mut bits = [0; 8];
                bits[..from.size()].copy_from_slice(element);
                let converted = reference::convert(from, to, u64::from_le_bytes(bits));
                converted.to_le_bytes().into_iter().take(to.size())
            })
            .collect();
        let shape: &Shape = inputs[0].shape();
        let tensor = with_element!(to, T => {
            Tensor::from_vec::<T>(bytemuck::pod_collect_to_vec(cast_slice::<u8, u8>(&converted)), shape)
        });
        Ok(vec![Expected::Exact(tensor?)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(device, case.dtype, target(case)?)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [x] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 1, inputs.len()));
        };
        let dtype = match args.text("dtype", "same")? {
            "same" => None,
            name => Some(name.parse::<DType>()?),
        };
        choose(NAME, variant, &variants(stream.device(), x.dtype(), dtype.unwrap_or(x.dtype()))?)?;
        Ok(vec![copy(stream, x, &CopyTo { dtype })?])
    }

    fn work(&self, case: &Case) -> Work {
        let (m, n) = (case.dim("m"), case.dim("n"));
        let (read, written) = match case.data {
            "scalar" => (1, 1),
            "batched" | "turned_outside" => (3 * m * n, 3 * m * n),
            "broadcast_rows" => (n, m * n),
            "broadcast_columns" => (m, m * n),
            "reversed_axes" => (72 * m * n, 72 * m * n),
            _ => (m * n, m * n),
        };
        let target = target(case).map_or(case.dtype.size(), DType::size);
        Work { flops: 0.0, bytes: (read * case.dtype.size() + written * target) as f64 }
    }
}
