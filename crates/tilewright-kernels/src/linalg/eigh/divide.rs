//! On NVIDIA GPUs: reflections make matrices tridiagonal while they lie in the registers of several groups each, and divide and conquer those diagonal.
//!
//! A matrix is cut into leaves of at most 32 rows, which sweeps make diagonal, and two neighbours are joined as `diag(d) + rho z zᵀ` (Cuppen), in f64 but for
//! products of vectors: columns that hardly change are left as they are, the other values are the roots of a rational function, and the vectors are those of
//! the matrix whose values these are exactly (Gu and Eisenstat; LAPACK's STEDC, as on the host). All pairs of all matrices are joined at once, by the same
//! launches. Then the reflections turn the vectors back, a block of them at a time.
//!
//! Made for batches and for a single matrix alike.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cublas::{self, Part, Update};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::super::chase;
use super::super::convert::{convert, dense, working};
use super::super::extents::Extents;
use super::super::vendor::{finished, whole};
use super::{Eigen, Eigh};

/// The variant's name.
pub(in super::super) const VARIANT: &str = "divide";

/// Rows of a leaf, at most: a SIMD group has one.
const LEAF: usize = 32;

/// Threads of a group that has rows of a matrix, and bytes of them that each thread holds.
const THREADS: usize = 256;
const HELD: usize = 256;

/// Groups of that many threads and registers that a multiprocessor holds.
const GROUPS: usize = 2;

/// How matrices lie in groups of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Team {
    /// Groups a matrix.
    groups: usize,
    /// Of a group's threads those beside each other have columns, and so many times as many are below each other.
    below: usize,
    /// Rows and columns of a thread.
    rows: usize,
    columns: usize,
}

impl Team {
    /// So many groups, if their threads can hold a matrix of n rows: by the fewest readings of the vectors that a step needs.
    fn of(groups: usize, n: usize, dtype: DType) -> Option<Self> {
        let each = n.div_ceil(groups);
        let teams = [1, 2, 4, 8].map(|below| Team {
            groups,
            below,
            rows: each.div_ceil(below).next_power_of_two(),
            columns: n.div_ceil(THREADS / below),
        });
        let fits = |team: &Team| team.rows <= 16 && team.rows * team.columns * dtype.size() <= HELD;
        teams.into_iter().filter(fits).min_by_key(|team| 2 * team.rows + 3 * team.columns)
    }

    /// For `items` matrices on so many multiprocessors: more groups than it takes where they would be idle.
    fn spread(multiprocessors: usize, items: usize, n: usize, dtype: DType) -> Option<Self> {
        let slots = GROUPS * multiprocessors;
        let least = (1..=slots).find(|&groups| Team::of(groups, n, dtype).is_some())?;
        let idle = multiprocessors.min(n.div_ceil(8)).min(slots / items.max(1));
        (least..=least.max(idle)).rev().find_map(|groups| Team::of(groups, n, dtype))
    }
}

fn team(device: Device, items: usize, n: usize, dtype: DType) -> Option<(usize, Team)> {
    let multiprocessors = caps(device).ok()?.multiprocessors?;
    Some((multiprocessors, Team::spread(multiprocessors, items, n, dtype)?))
}

/// Whether such matrices are taken: those that lie in all groups' registers.
pub(super) fn takes(device: Device, dtype: DType, batches: usize, n: usize) -> bool {
    n > LEAF
        && cublas::available(device).is_ok()
        && caps(device).is_ok_and(|caps| caps.is_cuda_of(80))
        && team(device, batches, n, working(dtype)).is_some()
}

fn program(
    name: &'static str,
    body: &'static str,
    header: &'static str,
    scalars: &[&'static str],
) -> Definition {
    let definition = Definition::new(name, body).header(header).cuda_only().template("S");
    scalars.iter().fold(definition, |all, name| all.scalar(*name, DType::U32))
}

const SHARED: &str = include_str!("divide.cuda.header.cu");

fn reducing() -> Definition {
    let header = concat!(include_str!("divide.cuda.header.cu"), include_str!("divide.reduce.cuda.header.cu"));
    let scalars = ["n", "items", "team", "pitch", "side", "epoch"];
    let definition = program("eigh_reduce", include_str!("divide.reduce.cuda.cu"), header, &scalars);
    let definition = ["RG", "RA", "CB"].into_iter().fold(definition, Definition::template);
    let definition = definition.input("a").threadgroup_memory("memory", DType::U8).cooperative();
    let outputs = ["packets", "diagonal", "subdiagonal", "reflectors", "inverse_taus"];
    outputs.into_iter().fold(definition, Definition::output)
}

/// One group on a multiprocessor has all of its registers.
static REDUCE: LazyLock<Program> =
    LazyLock::new(|| Program::new(reducing()).expect("the definition is valid"));

static REDUCE_MANY: LazyLock<Program> = LazyLock::new(|| {
    let most = 65_536 / (THREADS * GROUPS);
    Program::new(reducing().most_registers(most as u32)).expect("the definition is valid")
});

static LEAVES: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("divide.leaves.cuda.cu");
    let definition = program("eigh_leaves", body, SHARED, &["n", "leaf", "leaves"]);
    let definition = definition.input("diagonal").input("subdiagonal");
    Program::new(definition.output("matrices")).expect("the definition is valid")
});

static DEFLATE: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("divide.deflate.cuda.cu");
    let definition = program("eigh_deflate", body, SHARED, &["n", "height", "pairs"]);
    let definition = ["values", "vectors", "subdiagonal"].into_iter().fold(definition, Definition::input);
    let definition = definition.threadgroup_memory("memory", DType::U8);
    let outputs = ["poles", "parts", "places", "counts", "weights", "turns", "turned_places"];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
});

static ROOTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("eigh_roots", include_str!("divide.roots.cuda.cu"), SHARED, &["height"]);
    let inputs = ["poles", "parts", "counts", "weights"];
    let definition = inputs.into_iter().fold(definition, Definition::input);
    let definition = definition.threadgroup_memory("memory", DType::U8);
    Program::new(definition.output("origins").output("offsets")).expect("the definition is valid")
});

static EXACT: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("eigh_exact", include_str!("divide.exact.cuda.cu"), SHARED, &["height"]);
    let inputs = ["poles", "parts", "counts", "origins", "offsets"];
    let definition = inputs.into_iter().fold(definition, Definition::input);
    let definition = definition.threadgroup_memory("memory", DType::U8);
    let outputs = ["exact", "values", "which"];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
});

static VECTORS: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("eigh_vectors", include_str!("divide.vectors.cuda.cu"), SHARED, &["height"]);
    let inputs =
        ["poles", "places", "counts", "origins", "offsets", "exact", "which", "turns", "turned_places"];
    let definition = inputs.into_iter().fold(definition, Definition::input);
    let definition = definition.threadgroup_memory("memory", DType::U8);
    Program::new(definition.output("turning")).expect("the definition is valid")
});

static TRIANGLE: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("eigh_triangle", include_str!("divide.triangle.cuda.cu"), "", &[]);
    let definition = definition.template("B").input("products").input("inverse_taus");
    let definition = definition.threadgroup_memory("memory", DType::U8);
    Program::new(definition.output("triangles")).expect("the definition is valid")
});

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("divide.finish.cuda.cu");
    let definition = program("eigh_finish", body, "", &["n", "rows", "leaves"]);
    let definition = definition.input("values").input("infos");
    Program::new(definition.output("found").output("info")).expect("the definition is valid")
});

fn outputs<const N: usize>(outputs: Vec<Tensor>) -> [Tensor; N] {
    outputs.try_into().expect("so many outputs are declared")
}

/// Tridiagonal matrices and the reflections that made them.
struct Reduced {
    /// `[items, n]`, f64
    diagonal: Tensor,
    /// `[items, n]`, f64
    subdiagonal: Tensor,
    /// `[items, pitch, n]`: a whole number of blocks
    reflectors: Tensor,
    /// `[items, pitch]`: what their factors are one over; 0 of those that are none
    inverse_taus: Tensor,
}

/// Reflections of a block: what a group's memory holds twice.
fn block(dtype: DType) -> usize {
    if dtype == DType::F64 { 64 } else { 128 }
}

fn reduce(stream: &Stream, a: &Tensor, (items, n): (usize, usize)) -> Result<Reduced> {
    static EPOCH: AtomicU32 = AtomicU32::new(1);
    let dtype = a.dtype();
    let (multiprocessors, team) = team(stream.device(), items, n, dtype).expect("the matrices are taken");
    let teams = items.min(GROUPS * multiprocessors / team.groups);
    let program = if teams * team.groups <= multiprocessors { &REDUCE } else { &REDUCE_MANY };
    let pitch = n.next_multiple_of(block(dtype));
    // Of a vector in a group's memory: as many as its threads have rows or columns of.
    let side = (THREADS / team.below * team.columns).max(team.groups * team.below * team.rows);
    let side = side.next_multiple_of(4);
    let [_, diagonal, subdiagonal, reflectors, inverse_taus] = outputs(
        program
            .launch(stream)
            .template("S", dtype)
            .template("RG", team.below)
            .template("RA", team.rows)
            .template("CB", team.columns)
            .scalar("n", n as u32)
            .scalar("items", items as u32)
            .scalar("team", team.groups as u32)
            .scalar("pitch", pitch as u32)
            .scalar("side", side as u32)
            // A launch of its own each time: none is captured, as the library's products are not.
            .scalar("epoch", EPOCH.fetch_add(1, Ordering::Relaxed))
            .input("a", a)
            .output("packets", DType::U64, [teams * 4 * n * dtype.size() / 2])
            .output("diagonal", DType::F64, [items, n])
            .output("subdiagonal", DType::F64, [items, n])
            .output("reflectors", dtype, [items, pitch, n])
            .output("inverse_taus", dtype, [items, pitch])
            .threadgroup_bytes(3 * side * dtype.size())
            .grid(Grid::groups([teams * team.groups, 1, 1]), [THREADS, 1, 1])
            .run()?,
    );
    Ok(Reduced { diagonal, subdiagonal, reflectors, inverse_taus })
}

/// Eigenvalues and vectors of tridiagonal matrices, or of what they were cut into.
struct Joined {
    /// `[matrices, rows]`, f64, rising
    values: Tensor,
    /// `[matrices, rows, rows]`: as columns
    vectors: Tensor,
}

/// Pairs of neighbours, joined. `pairs` are of one matrix of n rows. Without `vectors` those that come back are not the joined ones.
fn join(
    stream: &Stream,
    halves: &Joined,
    subdiagonal: &Tensor,
    (n, pairs): (usize, usize),
    vectors: bool,
) -> Result<Joined> {
    let &[count, height] = halves.values.dims() else { unreachable!("values of matrices") };
    let (all, side, dtype) = (count / 2, 2 * height, halves.vectors.dtype());
    let (f64, i32) = (DType::F64, DType::I32);
    let each = |elements: usize| [all, elements * side];
    let launch = |program: &'static Program| {
        program.launch(stream).template("S", dtype).scalar("height", height as u32)
    };
    let [poles, parts, places, counts, weights, turns, turned_places] = outputs(
        launch(&DEFLATE)
            .scalar("n", n as u32)
            .scalar("pairs", pairs as u32)
            .input("values", &halves.values)
            .input("vectors", &halves.vectors)
            .input("subdiagonal", subdiagonal)
            .output("poles", f64, each(1))
            .output("parts", f64, each(1))
            .output("places", i32, each(1))
            .output("counts", i32, [all, 2])
            .output("weights", f64, [all])
            .output("turns", f64, each(2))
            .output("turned_places", i32, each(2))
            .threadgroup_bytes(25 * side + 4 * (side / 32 + 1))
            .grid(Grid::groups([all, 1, 1]), [256, 1, 1])
            .run()?,
    );
    // Of all pairs, so many columns a group, which has so many bytes for each column of the pair.
    let launch = |program, columns: usize, bytes: usize| {
        launch(program)
            .input("poles", &poles)
            .input("counts", &counts)
            .threadgroup_bytes(bytes * side)
            .grid(Grid::groups([all, side.div_ceil(columns), 1]), [256, 1, 1])
    };
    let [origins, offsets] = outputs(
        launch(&ROOTS, 8, 16)
            .input("parts", &parts)
            .input("weights", &weights)
            .output("origins", i32, each(1))
            .output("offsets", f64, each(1))
            .run()?,
    );
    let [exact, values, which] = outputs(
        launch(&EXACT, 8, 24)
            .input("parts", &parts)
            .input("origins", &origins)
            .input("offsets", &offsets)
            .output("exact", f64, each(1))
            .output("values", f64, each(1))
            .output("which", i32, each(1))
            .run()?,
    );
    if !vectors {
        return Ok(Joined { values, vectors: halves.vectors.clone() });
    }
    let turning = launch(&VECTORS, 32, 20)
        .input("places", &places)
        .input("origins", &origins)
        .input("offsets", &offsets)
        .input("exact", &exact)
        .input("which", &which)
        .input("turns", &turns)
        .input("turned_places", &turned_places)
        .output("turning", dtype, [all, side, side])
        .run_one()?;
    let mut joined = Tensor::empty(stream, dtype, [all, side, side])?;
    for first in [0, 1] {
        let rows = Part { first: first * height * side, pitch: side, step: side * side, transposed: false };
        let half = Part {
            first: first * height * height,
            pitch: height,
            step: 2 * height * height,
            transposed: false,
        };
        let product = Update {
            items: all,
            sides: [height, side, height],
            left: (Some(&halves.vectors), half),
            right: (Some(&turning), rows),
            out: rows,
            alpha: 1.0,
            beta: 0.0,
        };
        cublas::update(stream, &mut joined, &product)?;
    }
    Ok(Joined { values, vectors: joined })
}

/// The vectors `[items, rows, rows]`, of which the first n rows and columns count, turned by the reflections, the last ones first: `[items, n, n]`.
fn turned(stream: &Stream, reduced: &Reduced, vectors: Tensor, n: usize) -> Result<Tensor> {
    let (dtype, rows) = (vectors.dtype(), vectors.dims()[1]);
    let &[items, pitch, _] = reduced.reflectors.dims() else { unreachable!("reflectors of matrices") };
    let each = block(dtype);
    let blocks = items * pitch / each;
    let part = |first: usize, pitch: usize, step: usize| Part { first, pitch, step, transposed: false };
    let v = part(0, n, each * n);
    let square = part(0, each, each * each);
    let mut products = Tensor::empty(stream, dtype, [blocks, each, each])?;
    let update = Update {
        items: blocks,
        sides: [each, each, n],
        left: (Some(&reduced.reflectors), v),
        right: (Some(&reduced.reflectors), v.transposed()),
        out: square,
        alpha: 1.0,
        beta: 0.0,
    };
    cublas::update(stream, &mut products, &update)?;
    let triangles = TRIANGLE
        .launch(stream)
        .template("S", dtype)
        .template("B", each)
        .input("products", &products)
        .input("inverse_taus", &reduced.inverse_taus)
        .output("triangles", dtype, [blocks, each, each])
        .threadgroup_bytes((2 * each * (each + 1) + 512) * dtype.size())
        .grid(Grid::groups([blocks, 1, 1]), [512, 1, 1])
        .run_one()?;
    // tᵀ vᵀ, of all blocks at once.
    let mut shares = Tensor::empty(stream, dtype, [items, pitch, n])?;
    let update = Update {
        items: blocks,
        sides: [each, n, each],
        left: (Some(&triangles), square.transposed()),
        right: (Some(&reduced.reflectors), v),
        out: v,
        alpha: 1.0,
        beta: 0.0,
    };
    cublas::update(stream, &mut shares, &update)?;
    let mut vectors = match rows == n {
        true => vectors,
        false => dense(stream, &vectors.slice(1, 0..n)?.slice(2, 0..n)?)?,
    };
    let mut along = Tensor::empty(stream, dtype, [items, each, n])?;
    for first in (0..pitch).step_by(each).rev() {
        // A block's vectors are 0 up to its first row.
        let from = first + 1;
        if from >= n {
            continue;
        }
        let below = part(first * n + from, n, pitch * n);
        let all = part(from * n, n, n * n);
        let update = Update {
            items,
            sides: [each, n, n - from],
            left: (Some(&reduced.reflectors), below),
            right: (Some(&vectors), all),
            out: part(0, n, each * n),
            alpha: 1.0,
            beta: 0.0,
        };
        cublas::update(stream, &mut along, &update)?;
        let update = Update {
            items,
            sides: [n - from, n, each],
            left: (Some(&shares), below.transposed()),
            right: (Some(&along), part(0, n, each * n)),
            out: all,
            alpha: -1.0,
            beta: 1.0,
        };
        cublas::update(stream, &mut vectors, &update)?;
    }
    Ok(vectors)
}

/// The eigenvalues and eigenvectors. `a` is taken.
pub(super) fn eigh(stream: &Stream, a: &Tensor, extents: &Extents, args: &Eigh) -> Result<Eigen> {
    let (n, items, dtype, vectors) = (extents.n, extents.batches(), a.dtype(), !args.values_only);
    // The largest eigenvalue of a is the least of its negative.
    let (matrix, scale) = whole(stream, a, extents, (args.upper, args.descending))?;
    let reduced = reduce(stream, &matrix, (items, n))?;
    drop(matrix);
    let mut leaves = n.div_ceil(LEAF).next_power_of_two();
    let leaf = n.div_ceil(leaves);
    let matrices = LEAVES
        .launch(stream)
        .template("S", dtype)
        .scalar("n", n as u32)
        .scalar("leaf", leaf as u32)
        .scalar("leaves", leaves as u32)
        .input("diagonal", &reduced.diagonal)
        .input("subdiagonal", &reduced.subdiagonal)
        .output("matrices", dtype, [items * leaves, leaf, leaf])
        .grid(Grid::groups([items, 1, 1]), [256, 1, 1])
        .run_one()?;
    let of_leaves = Extents { batch: vec![items * leaves], m: leaf, n: leaf };
    let found = chase::symmetric(stream, &matrices, &of_leaves, &Eigh::default())?;
    let Eigen { values, vectors: columns, info: infos } = found.expect("leaves are taken");
    let count = leaves;
    let mut joined = Joined {
        values: convert(stream, &values, DType::F64)?,
        vectors: columns.expect("vectors were asked for"),
    };
    while leaves > 1 {
        leaves /= 2;
        joined = join(stream, &joined, &reduced.subdiagonal, (n, leaves), vectors || leaves > 1)?;
    }
    let rows = joined.values.dims()[1];
    let [mut values, info] = outputs(
        FINISH
            .launch(stream)
            .template("S", dtype)
            .scalar("n", n as u32)
            .scalar("rows", rows as u32)
            .scalar("leaves", count as u32)
            .input("values", &joined.values)
            .input("infos", &infos)
            .output("found", dtype, extents.shape(&[n]))
            .output("info", DType::I32, &extents.batch[..])
            .grid(Grid::groups([items, 1, 1]), [256, 1, 1])
            .run()?,
    );
    let mut columns = match vectors {
        true => turned(stream, &reduced, joined.vectors, n)?.reshape(a.shape())?,
        false => Tensor::empty(stream, dtype, [0])?,
    };
    let info = finished(stream, (&scale, &info), (&mut values, &mut columns), extents)?;
    Ok(Eigen { values, vectors: vectors.then_some(columns), info })
}

#[cfg(test)]
mod tests {
    use tilewright_gpu::Template;

    use super::*;

    /// No emulator runs these.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::{F32, F64, I32, U64};
        for s in [F32, F64] {
            let one = [Template::from(s)];
            let all = [s.into(), Template::from(2), 4.into(), 4.into()];
            for program in [&REDUCE, &REDUCE_MANY] {
                compiles(program, &all, &[s, U64, F64, F64, s, s]);
            }
            compiles(&LEAVES, &one, &[F64, F64, s]);
            compiles(&DEFLATE, &one, &[F64, s, F64, F64, F64, I32, I32, F64, F64, I32]);
            compiles(&ROOTS, &one, &[F64, F64, I32, F64, I32, F64]);
            compiles(&EXACT, &one, &[F64, F64, I32, I32, F64, F64, F64, I32]);
            compiles(&VECTORS, &one, &[F64, I32, I32, I32, F64, F64, I32, F64, I32, s]);
            compiles(&TRIANGLE, &[s.into(), block(s).into()], &[s, s, s]);
            compiles(&FINISH, &one, &[F64, I32, s, I32]);
        }
    }

    #[test]
    fn teams_hold_their_matrices() {
        for (items, n, dtype) in [
            (1, 33, DType::F32),
            (1, 1024, DType::F64),
            (640, 512, DType::F32),
            (60, 1024, DType::F32),
            (1, 2048, DType::F32),
        ] {
            let team = Team::spread(132, items, n, dtype).unwrap();
            assert!(
                team.groups * team.below * team.rows >= n && THREADS / team.below * team.columns >= n,
                "{team:?}"
            );
            assert!(team.groups <= 264);
        }
        // A single matrix has a multiprocessor a group; the groups of many share them.
        assert_eq!(Team::spread(132, 1, 1024, DType::F32).unwrap().groups, 128);
        assert_eq!(Team::spread(132, 60, 1024, DType::F32).unwrap().groups, 64);
        assert_eq!(Team::spread(132, 1, 4096, DType::F32), None);
    }
}
