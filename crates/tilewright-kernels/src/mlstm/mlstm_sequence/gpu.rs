//! GPU path: one launch; each group keeps some columns of one sequence's C in registers from the first token to the last.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

use crate::mlstm::cell::Sizes;
use crate::mlstm::{InputGate, Mlstm, MlstmInputs, MlstmState};

/// What every body of the family begins with.
pub(in crate::mlstm) const HEADER: &str = include_str!("../gates.header.metal");

/// Declares the scalars of a cell, in a body called `sigmoid_gate`, `normalize`, `eps`, `cap` (0: none) and `scale`.
pub(in crate::mlstm) fn with_cell(definition: Definition) -> Definition {
    definition
        .scalar("sigmoid_gate", DType::Bool)
        .scalar("normalize", DType::Bool)
        .scalar("eps", DType::F32)
        .scalar("cap", DType::F32)
        .scalar("scale", DType::F32)
}

/// Gives them.
pub(in crate::mlstm) fn give_cell<'a>(launch: Launch<'a>, cell: &Mlstm, dqk: usize) -> Launch<'a> {
    launch
        .scalar("sigmoid_gate", cell.input_gate == InputGate::Sigmoid)
        .scalar("normalize", cell.normalize)
        .scalar("eps", cell.eps as f32)
        .scalar("cap", cell.gate_cap.unwrap_or(0.0) as f32)
        .scalar("scale", cell.scale(dqk) as f32)
}

/// Of many tokens and of one known to be one.
struct Programs {
    many: Program,
    one: Program,
}

static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| Programs::new(false));
static IN_PLACE: LazyLock<Programs> = LazyLock::new(|| Programs::new(true));

/// Registers of a thread of a step: four groups of 256 threads on a multiprocessor read and write 256 states of 2 MiB in 526 us on an H200, two in 666.
const STEP_REGISTERS: u32 = 64;

impl Programs {
    fn new(in_place: bool) -> Self {
        let many = program(in_place, false);
        Programs { many, one: program(in_place, true) }
    }
}

/// In place, C is read where it is written: a group loads all its elements before it stores one.
fn program(in_place: bool, one: bool) -> Program {
    let same = if in_place { "#define c_first c_last\n" } else { "" };
    let name = match (one, in_place) {
        (true, true) => "mlstm_step_in_place",
        (true, false) => "mlstm_step",
        (false, true) => "mlstm_sequence_in_place",
        (false, false) => "mlstm_sequence",
    };
    let known = format!("#define ONE {}\n", u8::from(one));
    let definition = Definition::new(name, include_str!("gpu.metal"))
        .header([HEADER, include_str!("gpu.header.metal"), same, &known].concat())
        .template("T")
        .template("S")
        .template("W")
        .template("ROWS");
    let definition = if one { definition.most_registers(STEP_REGISTERS) } else { definition };
    let definition =
        ["q", "k", "v", "i", "f", "o", "n_first", "m_first"].into_iter().fold(definition, Definition::input);
    let definition =
        ["s", "dqk", "dv", "tiles"].into_iter().fold(definition, |all, name| all.scalar(name, DType::U32));
    let definition = with_cell(definition).scalar("resume", DType::Bool).scalar("gated", DType::Bool);
    let definition = match in_place {
        true => definition.in_place("c_last"),
        false => definition.input("c_first").output("c_last"),
    };
    let outputs = ["h", "n_last", "m_last"];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
}

/// The state before the first token.
enum Start<'a> {
    Zeros,
    Kept(&'a MlstmState),
    /// C is overwritten.
    Given(&'a mut MlstmState),
}

/// Rows of C in one thread's registers: 8 of 4 columns leave room for 512 threads a group on every device, and 16 still do.
const ROWS: usize = 8;
const MORE_ROWS: usize = 16;
/// Threads that stand side by side over a row.
const ACROSS: usize = 8;
/// Slices of rows in a group of 512 threads.
const SLICES: usize = 64;

pub(super) fn mlstm_sequence(
    stream: &Stream,
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
) -> Result<(Tensor, MlstmState)> {
    let [c, h, n, m] = run(stream, sizes, x, state.map_or(Start::Zeros, Start::Kept), None, cell)?
        .try_into()
        .expect("four outputs are declared");
    Ok((h, MlstmState { c, n, m }))
}

/// h; the state becomes that after the last token, C where it lies; n and m go to `next`, where it is given.
pub(in crate::mlstm) fn mlstm_sequence_in_place(
    stream: &Stream,
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: &mut MlstmState,
    next: Option<[&mut Tensor; 2]>,
    cell: &Mlstm,
) -> Result<Tensor> {
    let kept = next.is_some();
    let mut made = run(stream, sizes, x, Start::Given(state), next, cell)?.into_iter();
    let mut one = || made.next().expect("an output that was declared");
    let h = one();
    if !kept {
        (state.n, state.m) = (one(), one());
    }
    Ok(h)
}

/// C, unless it was given, then h, then n and m, unless their places were given.
fn run<'l>(
    stream: &'l Stream,
    sizes: &Sizes,
    x: &MlstmInputs<'l>,
    start: Start<'l>,
    next: Option<[&'l mut Tensor; 2]>,
    cell: &Mlstm,
) -> Result<Vec<Tensor>> {
    let (operation, device) = (super::NAME, stream.device());
    let Sizes { s, dqk, dv, .. } = *sizes;
    if dqk > SLICES * MORE_ROWS {
        let why = format!(
            "dqk is {dqk}: the state of more than {} keys does not fit registers",
            SLICES * MORE_ROWS
        );
        return Err(Error::unsupported(operation, device, why));
    }
    let rows = if dqk <= SLICES * ROWS { ROWS } else { MORE_ROWS };
    // Whole SIMD groups.
    let threads = (ACROSS * dqk.div_ceil(rows)).next_multiple_of(32).max(32);
    // Device memory starts on a multiple of 32 bytes, a view anywhere.
    let aligned = |tensor: &Tensor| !tensor.is_contiguous() || tensor.layout().offset().is_multiple_of(4);
    let (programs, c) = match &start {
        Start::Zeros => (&*PROGRAMS, None),
        Start::Kept(state) => (&*PROGRAMS, Some(&state.c)),
        Start::Given(state) => (&*IN_PLACE, Some(&state.c)),
    };
    let (aligned_state, stored) = (c.is_none_or(aligned), c.map_or(DType::F32, Tensor::dtype));
    // More rows than usual do not fit into a step's registers.
    let program = if s == 1 && rows == ROWS { &programs.one } else { &programs.many };
    let vectors = dv.is_multiple_of(4) && aligned(x.v) && aligned_state;
    let width = if vectors { 4 } else { 1 };
    let tiles = dv.div_ceil(ACROSS * width).max(1);
    let too_long = || Error::unsupported(operation, device, "an extent of 2^32 or more");
    let extent = |value: usize| u32::try_from(value).map_err(|_| too_long());
    let launch = program
        .launch(stream)
        .template("T", x.q.dtype())
        .template("S", stored)
        .template("W", width)
        .template("ROWS", rows)
        .input("q", x.q)
        .input("k", x.k)
        .input("v", x.v)
        .input("i", x.i)
        .input("f", x.f)
        // Where there is none, something of its dtype stands in its place, unread.
        .input("o", x.o.unwrap_or(x.v))
        .scalar("s", extent(s)?)
        .scalar("dqk", extent(dqk)?)
        .scalar("dv", extent(dv)?)
        .scalar("tiles", extent(tiles)?)
        .scalar("resume", !matches!(start, Start::Zeros))
        .scalar("gated", x.o.is_some());
    let fresh = |launch: Launch<'l>, [c, n, m]: [&'l Tensor; 3]| {
        let launch = launch.input("c_first", c).input("n_first", n).input("m_first", m);
        launch.output("c_last", stored, sizes.c())
    };
    let launch = match start {
        Start::Zeros => fresh(launch, [x.i; 3]),
        Start::Kept(MlstmState { c, n, m }) => fresh(launch, [c, n, m]),
        Start::Given(MlstmState { c, n, m }) => {
            launch.in_place("c_last", c).input("n_first", &*n).input("m_first", &*m)
        }
    };
    let launch = give_cell(launch, cell, dqk).output("h", x.q.dtype(), sizes.values());
    let launch = match next {
        None => launch.output("n_last", DType::F32, sizes.n()).output("m_last", DType::F32, sizes.m()),
        Some([n, m]) => launch.output_into("n_last", n).output_into("m_last", m),
    };
    launch.grid(Grid::groups([sizes.heads() * tiles, 1, 1]), [threads, 1, 1]).run()
}
