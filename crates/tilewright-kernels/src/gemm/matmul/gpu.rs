//! The product on GPUs: which variant, which tile, how many pieces of the sum.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::backend::cublaslt;
use tilewright_gpu::{Definition, Grid, Launch, Program, caps, tune};

use super::super::Tile;
use super::super::product::{Product, accumulator};

/// Functions that the family's bodies share.
pub(in super::super) const HEADER: &str = include_str!("gpu.header.metal");

/// One program per accumulator: Metal has no f64, so that scalars of that type exist on CUDA alone.
struct Programs {
    portable: Program,
    simdgroup: Program,
    splits: Program,
}

impl Programs {
    fn of(sums: DType) -> &'static Self {
        static F32: LazyLock<Programs> = LazyLock::new(|| Programs::new(DType::F32));
        static F64: LazyLock<Programs> = LazyLock::new(|| Programs::new(DType::F64));
        if sums == DType::F64 { &F64 } else { &F32 }
    }

    fn new(sums: DType) -> Self {
        let program = |definition: Definition| Program::new(definition).expect("the definition is valid");
        let scaled = |name: &'static str, body: &'static str| {
            let definition = Definition::new(name, body).header(HEADER).any_strides().output("out");
            definition.scalar("alpha", sums).scalar("beta", sums).input("c").template("O").template("C")
        };
        let product = |name: &'static str, body: &'static str| {
            let definition = scaled(name, body).input("a").input("b").template("T");
            let definition =
                ["m", "n", "k", "span"].into_iter().fold(definition, |d, name| d.scalar(name, DType::I32));
            let definition = definition.scalar("batches", DType::U32).scalar("splits", DType::U32);
            let flags = ["a_whole", "b_whole", "out_whole", "symmetric"];
            flags.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::Bool))
        };
        let portable = product("matmul", include_str!("gpu.metal")).template("S");
        let portable = ["BM", "BN", "BK", "TM", "TN"].into_iter().fold(portable, |d, name| d.template(name));
        let splits = scaled("matmul_splits", include_str!("splits.metal")).input("parts").template("S");
        let splits =
            ["splits", "size", "columns"].into_iter().fold(splits, |d, name| d.scalar(name, DType::U32));
        Programs {
            portable: program(portable),
            simdgroup: program(product("matmul_simdgroup", include_str!("gpu.simdgroup.metal"))),
            splits: program(splits),
        }
    }
}

/// The variants for operands of `dtype` and an output of `out`, the default first, or why there is none.
pub(in super::super) fn support(
    name: &'static str,
    device: Device,
    dtype: DType,
    out: DType,
) -> Result<Vec<&'static str>> {
    let mut variants = Vec::new();
    if let Device::Cuda(_) = device {
        if cublaslt::available(device).is_ok() && cublaslt::takes(dtype, out) {
            variants.push("cublaslt");
        }
    } else if dtype == DType::F64 {
        return Err(Error::unsupported(name, device, "Metal has no f64"));
    }
    variants.push("portable");
    if dtype != DType::F64 {
        variants.push("simdgroup");
    }
    Ok(variants)
}

pub(in super::super) fn product(stream: &Stream, variant: Option<&str>, product: Product) -> Result<Tensor> {
    let variants = support(product.name, stream.device(), product.a.dtype(), product.out)?;
    let variant = match variant {
        Some(named) => variants.iter().copied().find(|variant| *variant == named).ok_or_else(|| {
            Error::range(product.name, "variant", format!("one of {variants:?}"), format!("{named:?}"))
        })?,
        // A tile is a wish for the body that has tiles.
        None if product.tile.is_some() => "portable",
        None => variants[0],
    };
    let extents = [product.m, product.n, product.k, product.batches()];
    if extents.iter().any(|&extent| i32::try_from(extent).is_err()) {
        let why = format!("extents {extents:?} beyond 2^31 - 1");
        return Err(Error::unsupported(product.name, stream.device(), why));
    }
    if product.shape.elements() == 0 {
        return Tensor::empty(stream, product.out, &product.shape);
    }
    let out = match variant {
        // The library does not take sums of no terms.
        "cublaslt" if !product.is_only_c() => vendor(stream, &product)?,
        "simdgroup" => launch(stream, &product, None)?,
        _ => {
            let tile = match product.tile {
                Some(tile) => tile,
                None => choose(stream, &product)?,
            };
            launch(stream, &product, Some(tile))?
        }
    };
    out.reshape(&product.shape)
}

/// Groups that keep a device busy: two for each multiprocessor.
fn wanted_groups(device: Device) -> Result<usize> {
    Ok(2 * caps(device)?.multiprocessors.unwrap_or(16))
}

/// The tile in force for this device and class of shapes; by default the largest that still keeps the device busy.
fn choose(stream: &Stream, product: &Product) -> Result<Tile> {
    let mut tiles = Tile::candidates(accumulator(product.a.dtype()));
    let wanted = wanted_groups(stream.device())? / 2;
    let busy = |tile: &Tile| {
        product.m.div_ceil(tile.rows) * product.n.div_ceil(tile.columns) * product.batches() >= wanted
    };
    let best = tiles.iter().position(busy).unwrap_or(tiles.len() - 2);
    let best = tiles.remove(best);
    tiles.insert(0, best);
    let names: Vec<String> = tiles.iter().map(Tile::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(tiles[tune::choose(stream, "matmul", &class(product), &names)])
}

/// Products of one class share a tile: the dtype, and each extent rounded up to a power of two.
fn class(product: &Product) -> String {
    let power = |extent: usize| extent.next_power_of_two();
    let (m, n, k) = (power(product.m), power(product.n), power(product.k));
    format!("{} {}x{m}x{n}x{k}", product.a.dtype(), power(product.batches()))
}

/// Runs the portable body with a tile, or the simdgroup body without one.
fn launch(stream: &Stream, product: &Product, tile: Option<Tile>) -> Result<Tensor> {
    let sums = accumulator(product.a.dtype());
    let programs = Programs::of(sums);
    let (rows, columns, depth, threads) = match tile {
        Some(tile) => (tile.rows, tile.columns, tile.depth, tile.threads()),
        None => (64, 64, 16, 128),
    };
    let terms = if product.is_only_c() { 0 } else { product.k };
    let groups = product.m.div_ceil(rows) * product.n.div_ceil(columns);
    // Few tiles and long sums leave a device idle: cut the sum into pieces, of 256 terms at least, added in order afterwards.
    let pieces =
        (wanted_groups(stream.device())? / (groups * product.batches())).clamp(1, (terms / 256).max(1));
    let span = terms.div_ceil(pieces).next_multiple_of(depth).max(depth);
    let pieces = terms.div_ceil(span).max(1);
    let whole = pieces == 1;

    // Where there is no c, an operand stands in for it and is not read.
    let c = product.c.as_ref().unwrap_or(&product.b);
    let (alpha, beta) = if whole { (product.alpha, product.beta) } else { (1.0, 0.0) };
    let out = if whole { product.out } else { sums };
    let program = if tile.is_some() { &programs.portable } else { &programs.simdgroup };
    let mut run = program
        .launch(stream)
        .input("a", &product.a)
        .input("b", &product.b)
        .input("c", c)
        .output("out", out, [product.batches() * pieces, product.m, product.n])
        .template("T", product.a.dtype())
        .template("O", out)
        .template("C", c.dtype())
        .scalar("m", product.m as i32)
        .scalar("n", product.n as i32)
        .scalar("k", terms as i32)
        .scalar("span", span as i32)
        .scalar("batches", product.batches() as u32)
        .scalar("splits", pieces as u32)
        .scalar("a_whole", is_whole(&product.a))
        .scalar("b_whole", is_whole(&product.b))
        .scalar("out_whole", product.n.is_multiple_of(4))
        .scalar("symmetric", product.symmetric);
    if let Some(tile) = tile {
        let sizes = [tile.rows, tile.columns, tile.depth, tile.thread_rows, tile.thread_columns];
        run = run.template("S", sums);
        run = ["BM", "BN", "BK", "TM", "TN"]
            .into_iter()
            .zip(sizes)
            .fold(run, |run, (name, size)| run.template(name, size));
    }
    run = scaled(run, sums, (alpha, beta));
    // The body walks over what a grid cannot hold.
    let depth = (product.batches() * pieces).min(65_535);
    let parts = run.grid(Grid::groups([groups, 1, depth]), [threads, 1, 1]).run_one()?;
    if whole { Ok(parts) } else { add(stream, product, &parts, pieces) }
}

/// `alpha (sum of parts) + beta c`: the second step of a sum in pieces.
fn add(stream: &Stream, product: &Product, parts: &Tensor, pieces: usize) -> Result<Tensor> {
    // Where there is no c, an operand stands in for it and is not read.
    let c = product.c.as_ref().unwrap_or(&product.b);
    let shape = [product.batches(), product.m, product.n];
    combine(stream, parts, pieces, shape, product.out, c, (product.alpha, product.beta))
}

/// The sums of `pieces` in order, as `out`: `parts` is `[batches * pieces, rows * columns]` in the dtype of sums.
pub(in super::super) fn add_pieces(
    stream: &Stream,
    parts: &Tensor,
    pieces: usize,
    shape: [usize; 3],
    out: DType,
) -> Result<Tensor> {
    combine(stream, parts, pieces, shape, out, parts, (1.0, 0.0))
}

fn combine(
    stream: &Stream,
    parts: &Tensor,
    pieces: usize,
    shape: [usize; 3],
    out: DType,
    c: &Tensor,
    factors: (f64, f64),
) -> Result<Tensor> {
    let sums = parts.dtype();
    let [batches, rows, columns] = shape;
    let launch = Programs::of(sums)
        .splits
        .launch(stream)
        .input("parts", parts)
        .input("c", c)
        .output("out", out, shape)
        .template("O", out)
        .template("C", c.dtype())
        .template("S", sums)
        .scalar("splits", pieces as u32)
        .scalar("size", (rows * columns) as u32)
        .scalar("columns", columns as u32);
    scaled(launch, sums, factors).grid(Grid::threads([rows * columns, batches, 1]), [256, 1, 1]).run_one()
}

/// Gives `alpha` and `beta`, in the dtype of sums.
fn scaled<'a>(launch: Launch<'a>, sums: DType, (alpha, beta): (f64, f64)) -> Launch<'a> {
    if sums == DType::F64 {
        launch.scalar("alpha", alpha).scalar("beta", beta)
    } else {
        launch.scalar("alpha", alpha as f32).scalar("beta", beta as f32)
    }
}

/// Whether runs of 4 neighbours of every matrix lie on addresses that are multiples of their size.
pub(in super::super) fn is_whole(tensor: &Tensor) -> bool {
    let strides = tensor.strides();
    let [.., row, column] = *strides else { return false };
    let lines = if column == 1 { row } else { column };
    let unit = column == 1 || row == 1;
    let steps = strides[..strides.len() - 2].iter().chain([&lines]);
    unit && tensor.layout().offset().is_multiple_of(4)
        && steps.into_iter().all(|stride| stride.is_multiple_of(4))
}

/// The product by NVIDIA's library. It has no way to leave a triangle out, so that a symmetric product is mirrored afterwards.
fn vendor(stream: &Stream, product: &Product) -> Result<Tensor> {
    let shape = [product.batch.dims(), &[product.m, product.n]].concat();
    let mut out = Tensor::empty(stream, product.out, shape)?;
    let (a, b, c) = (&product.a, &product.b, product.c.as_ref());
    let call = cublaslt::Product { a, b, c, alpha: product.alpha, beta: product.beta };
    cublaslt::matmul(stream, &call, &mut out).map_err(|error| error.within(product.name))?;
    if product.symmetric {
        mirror(stream, &mut out, product)?;
    }
    Ok(out)
}

/// Copies the lower triangle of each matrix to the upper one.
fn mirror(stream: &Stream, out: &mut Tensor, product: &Product) -> Result<()> {
    static MIRROR: LazyLock<Program> = LazyLock::new(|| {
        let definition = Definition::new("gram_mirror", include_str!("mirror.metal")).in_place("out");
        Program::new(definition.scalar("n", DType::U32).scalar("batches", DType::U32))
            .expect("the definition is valid")
    });
    let tiles = product.n.div_ceil(32);
    MIRROR
        .launch(stream)
        .in_place("out", out)
        .scalar("n", product.n as u32)
        .scalar("batches", product.batches() as u32)
        .grid(Grid::groups([tiles, tiles, product.batches().min(65_535)]), [32, 8, 1])
        .run()?;
    Ok(())
}
