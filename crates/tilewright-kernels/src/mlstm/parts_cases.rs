//! What the registered parts of the chunkwise form have in common: arguments, cases, and inputs with the states that go with them.

use std::ops::Range;

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::cell::accumulator;
use super::mlstm_chunkwise_bw::cases::mode;
use super::mlstm_chunkwise_bw::reference::{Form, Gradients, Loss, mlstm_chunkwise_bw};
use super::mlstm_sequence::reference::{Numbers, at_boundaries, rows};
use super::parts::{boundaries, support};
use super::registry::{self, case};
use super::row_gradients::{By, RowGradient};
use super::samples::{self, waves};
use super::{MlstmBackward, MlstmInputs, MlstmParts, MlstmPartsBw, MlstmStateGradients, MlstmStates};

pub(super) const CHUNK: ArgSpec =
    ArgSpec { name: "chunk", default: "64", doc: "tokens per chunk, at least 1" };
pub(super) const EVERY: ArgSpec =
    ArgSpec { name: "every", default: "1", doc: "states are kept at every so many chunks, at least 1" };
pub(super) const WIDE: ArgSpec =
    ArgSpec { name: "wide", default: "false", doc: "the gradient leaves as f32 (f64), whatever the data" };

pub(super) const Q: Slot = Slot::new("q", "[b, nh, s, dqk]");
pub(super) const K: Slot = Slot::new("k", "[b, nh, s, dqk]");
pub(super) const V: Slot = Slot::new("v", "[b, nh, s, dv]");
pub(super) const I: Slot = Slot::new("i", "[b, nh, s]");
pub(super) const F: Slot = Slot::new("f", "[b, nh, s]");
pub(super) const DH: Slot = Slot::new("dh", "[b, nh, s, dv]");
pub(super) const C_STATES: Slot = Slot::new("c_states", "[b, nh, e, dqk, dv]");
pub(super) const N_STATES: Slot = Slot::new("n_states", "[b, nh, e, dqk]");
pub(super) const M_STATES: Slot = Slot::new("m_states", "[b, nh, e]");
pub(super) const DC_STATES: Slot = Slot::new("dc_states", "[b, nh, e, dqk, dv]");
pub(super) const DN_STATES: Slot = Slot::new("dn_states", "[b, nh, e, dqk]");

/// The inputs of the gradient by queries.
pub(super) const WITH_STATES: &[Slot] = &[Q, K, V, I, F, DH, C_STATES, N_STATES, M_STATES];
/// Those of the others.
pub(super) const WITH_GRADIENTS: &[Slot] =
    &[Q, K, V, I, F, DH, C_STATES, N_STATES, M_STATES, DC_STATES, DN_STATES];

/// The arguments of the forward parts, and of the gates' gradients.
pub(super) const ARGS: &[ArgSpec] = &[
    registry::INPUT_GATE,
    registry::NORMALIZE,
    registry::EPS,
    registry::SCALE,
    registry::GATE_CAP,
    CHUNK,
    EVERY,
];

/// Those of the gradients of rows.
pub(super) const BW_ARGS: &[ArgSpec] = &[
    registry::INPUT_GATE,
    registry::NORMALIZE,
    registry::EPS,
    registry::SCALE,
    registry::GATE_CAP,
    CHUNK,
    EVERY,
    super::mlstm_chunkwise_bw::cases::MODE,
    WIDE,
];

/// The arguments of the forward parts.
pub(super) fn parts(args: &Args) -> Result<MlstmParts> {
    let default = MlstmParts::default();
    let (chunk, every) = (args.size("chunk", default.chunk)?, args.size("every", default.every)?);
    Ok(MlstmParts { cell: registry::cell(args)?, chunk, every })
}

/// Those of the others.
pub(super) fn parts_bw(args: &Args) -> Result<MlstmPartsBw> {
    Ok(MlstmPartsBw { parts: parts(args)?, mode: mode(args)?, wide: args.bool("wide", false)? })
}

/// The tokens of a stretch.
pub(super) fn stretch(case: &Case) -> Result<usize> {
    let parts = parts(&case.args)?;
    Ok(parts.chunk * parts.every)
}

/// Edges and checks of all parts; benches are each part's own.
pub(super) fn cases() -> Vec<Case> {
    let edge = |sizes| case(Tier::Edge, sizes, DType::F32).set("chunk", 4);
    let check = |sizes, dtype| case(Tier::Check, sizes, dtype);
    vec![
        edge([1, 1, 5, 2, 3]).data("vector_state"),
        edge([1, 1, 1, 1, 1]),
        edge([2, 3, 11, 5, 9]).set("every", 2).data("strided"),
        edge([1, 2, 9, 33, 13]).set("scale", 0.7).set("eps", 0.0).data("state"),
        edge([1, 2, 13, 6, 5]).set("every", 3).set("input_gate", "sigmoid").data("state"),
        edge([1, 2, 9, 6, 5]).set("input_gate", "sigmoid").set("normalize", false),
        edge([1, 2, 9, 6, 5]).set("normalize", false).data("state"),
        edge([2, 1, 9, 7, 10]).set("gate_cap", 3).data("state"),
        edge([2, 1, 13, 7, 10]).data("wide"),
        edge([1, 3, 10, 4, 6]).data("masked"),
        edge([1, 2, 19, 5, 7]).set("every", 2).data("forgetful"),
        case(Tier::Edge, [2, 2, 6, 12, 20], DType::Bf16).set("chunk", 4).data("state"),
        case(Tier::Edge, [1, 2, 9, 5, 7], DType::F16).set("chunk", 2).set("every", 2),
        case(Tier::Edge, [2, 2, 11, 5, 3], DType::F64).set("chunk", 2).set("every", 2).data("state"),
        edge([0, 2, 3, 4, 5]),
        edge([2, 2, 0, 4, 5]).data("state"),
        edge([1, 2, 3, 0, 5]).data("state"),
        edge([1, 2, 3, 4, 0]).data("state"),
        case(Tier::Edge, [1, 2, 5, 3, 4], DType::F32).set("chunk", 1).data("state"),
        case(Tier::Edge, [1, 2, 5, 3, 4], DType::F32).set("chunk", 3).set("every", 50).data("state"),
        // The chunk of the default, and squares of 32 with their edges.
        case(Tier::Edge, [1, 1, 70, 34, 33], DType::F32).data("state"),
        check([2, 2, 133, 20, 36], DType::F32).set("chunk", 16).data("state"),
        check([2, 2, 133, 20, 36], DType::F32).set("chunk", 16).set("every", 3).data("strided"),
        check([1, 2, 133, 65, 70], DType::F32).set("chunk", 30).data("wide"),
        check([1, 2, 133, 32, 64], DType::Bf16).set("chunk", 32).set("every", 2).data("state"),
        check([1, 2, 133, 32, 64], DType::F16).set("chunk", 50),
        check([1, 2, 133, 16, 32], DType::F64).set("chunk", 32).data("state"),
        check([1, 2, 133, 16, 32], DType::F32).set("chunk", 200).data("forgetful"),
    ]
}

/// With what the gradients hold constant, and as sums.
pub(super) fn cases_bw() -> Vec<Case> {
    let mut all = cases();
    let held = |case: Case| case.set("mode", "norm_invariant");
    all.push(held(case(Tier::Edge, [1, 2, 9, 6, 5], DType::F32)).set("chunk", 4).data("state"));
    all.push(held(case(Tier::Check, [1, 2, 133, 20, 36], DType::Bf16)).set("chunk", 32).data("state"));
    all
}

/// The gradients of rows have one more.
pub(super) fn cases_of_rows() -> Vec<Case> {
    let mut all = cases_bw();
    let wide = case(Tier::Edge, [1, 2, 9, 6, 5], DType::Bf16).set("chunk", 4).set("wide", true);
    all.push(wide.data("state"));
    all.push(case(Tier::Bench, [1, 4, 2048, 64, 128], DType::F32));
    all
}

/// q k v i f, then C n m at all boundaries as the recurrence has them, rounded; then o where the case is gated.
pub(super) fn with_states(case: &Case) -> Result<Vec<Tensor>> {
    let (sizes, sums, stretch) = (registry::sizes(case), accumulator(case.dtype), stretch(case)?);
    let mut tensors = samples::inputs(case)?;
    let o = if case.data == "gated" { tensors.pop() } else { None };
    let truth = at_boundaries(&Numbers::new(&tensors)?, &registry::cell(&case.args)?, stretch, sums);
    tensors.truncate(5);
    let (b, nh, e) = (sizes.b, sizes.nh, boundaries(sizes.s, stretch));
    for (values, inner) in
        [(truth.c, vec![sizes.dqk, sizes.dv]), (truth.n, vec![sizes.dqk]), (truth.m, vec![])]
    {
        let values: Vec<f64> = values.into_iter().map(|(value, _)| value).collect();
        tensors.push(laid_out(&values, &[&[b, nh, e], &inner[..]].concat(), sums, case.data == "strided")?);
    }
    tensors.extend(o);
    Ok(tensors)
}

/// The same with dh after f, and the gradients by C and n at all boundaries last.
pub(super) fn with_gradients(case: &Case) -> Result<Vec<Tensor>> {
    let sums = accumulator(case.dtype);
    let mut tensors = with_states(case)?;
    let gradients = [5, 6].map(|index| waves(tensors[index].dims(), sums));
    for gradient in gradients {
        tensors.push(gradient?);
    }
    tensors.insert(5, waves(&registry::sizes(case).values(), case.dtype)?);
    Ok(tensors)
}

/// Row-major values as a tensor; `strided`: with the boundaries before all else in memory.
fn laid_out(values: &[f64], dims: &[usize], dtype: DType, strided: bool) -> Result<Tensor> {
    if !strided {
        return Tensor::from_f64(values, dtype, dims);
    }
    let (heads, e) = (dims[0] * dims[1], dims[2]);
    let width: usize = dims[3..].iter().product();
    let places = (0..e).flat_map(|entry| (0..heads).map(move |head| head * e + entry));
    let moved: Vec<f64> = places.flat_map(|place| &values[place * width..][..width]).copied().collect();
    let stored = Tensor::from_f64(&moved, dtype, &[&[e, dims[0], dims[1]], &dims[3..]].concat()[..])?;
    stored.permute(&[1, 2, 0, 3, 4][..dims.len()])
}

/// The states among the inputs, from `at` on.
pub(super) fn states(tensors: &[Tensor], at: usize) -> MlstmStates {
    let one = |index: usize| tensors[at + index].clone();
    MlstmStates { c: one(0), n: one(1), m: one(2) }
}

/// Their gradients, from `at` on.
pub(super) fn gradients(tensors: &[Tensor], at: usize) -> MlstmStateGradients {
    MlstmStateGradients { c: tensors[at].clone(), n: tensors[at + 1].clone() }
}

/// The inputs before the states.
pub(super) fn sequence(tensors: &[Tensor]) -> MlstmInputs<'_> {
    let [q, k, v, i, f] = [0, 1, 2, 3, 4].map(|index| &tensors[index]);
    MlstmInputs { q, k, v, i, f, o: None }
}

/// Refuses another number of inputs than one of these.
pub(super) fn check_count(
    operation: &'static str,
    names: &'static str,
    tensors: &[Tensor],
    counts: &[usize],
) -> Result<()> {
    if counts.contains(&tensors.len()) {
        return Ok(());
    }
    Err(Error::range(operation, "inputs", names, tensors.len()))
}

/// A part's inputs as its truth takes them.
pub(super) struct Given {
    pub(super) x: Numbers,
    /// C, n and m at all boundaries.
    states: [Vec<f64>; 3],
    pub(super) dh: Vec<f64>,
    stretch: usize,
    args: MlstmPartsBw,
    sums: DType,
}

impl Given {
    /// Of inputs in the order of the slots, q k v i f dh, then the states.
    pub(super) fn new(case: &Case, tensors: &[Tensor]) -> Result<Self> {
        let at = |index: usize| tensors[index].to_f64_vec();
        Ok(Given {
            x: Numbers::new(&tensors[..5])?,
            states: [at(6)?, at(7)?, at(8)?],
            dh: at(5)?,
            stretch: stretch(case)?,
            args: parts_bw(&case.args)?,
            sums: accumulator(case.dtype),
        })
    }

    /// Where the stretches begin and end.
    pub(super) fn stretches(&self) -> Vec<Range<usize>> {
        let s = self.x.s;
        (0..s).step_by(self.stretch).map(|first| first..s.min(first + self.stretch)).collect()
    }

    pub(super) fn boundaries(&self) -> usize {
        boundaries(self.x.s, self.stretch)
    }

    /// The gradients of tokens that follow the state at a boundary, given those by C and n after them.
    pub(super) fn gradients(
        &self,
        tokens: Range<usize>,
        boundary: usize,
        [c, n]: [Vec<f64>; 2],
    ) -> Gradients {
        let heads = self.x.heads;
        let state =
            [0, 1, 2].map(|part: usize| entry(&self.states[part], heads, self.boundaries(), boundary));
        let x = self.x.stretch(tokens.clone(), state);
        let loss = Loss { h: rows(&self.dh, [heads, self.x.s, self.x.dv], &tokens), c, n };
        let exact = self.args.mode == MlstmBackward::Exact;
        mlstm_chunkwise_bw(&x, &loss, &self.args.parts.cell, exact, Form::of_chunks(self.stretch), self.sums)
    }

    /// The gradient by queries (0), keys (1) or values (2): of each stretch by itself, from the states and gradients at its ends.
    pub(super) fn of_rows(&self, which: usize, gradients: [Vec<f64>; 2]) -> Bounded {
        let heads = self.x.heads;
        let mut all = vec![Vec::new(); heads];
        for (index, tokens) in self.stretches().into_iter().enumerate() {
            let after =
                [0, 1].map(|part: usize| entry(&gradients[part], heads, self.boundaries(), index + 1));
            let by = &self.gradients(tokens, index, after)[which];
            for (head, all) in all.iter_mut().enumerate() {
                let own = by.len() / heads;
                all.extend_from_slice(&by[head * own..][..own]);
            }
        }
        all.concat()
    }
}

/// What is at one boundary, of all sequences.
pub(super) fn entry(all: &[f64], heads: usize, boundaries: usize, boundary: usize) -> Vec<f64> {
    let own = all.len() / (heads * boundaries).max(1);
    (0..heads).flat_map(|head| &all[(head * boundaries + boundary) * own..][..own]).copied().collect()
}

/// The least work of a part that reads each stretch from the state before it, of so many operations a token beside each of a stretch and each of C, and the bytes of
/// so many sets of states more.
pub(super) fn work_of_reads(case: &Case, [by_token, by_state]: [f64; 2], sets: f64) -> Work {
    let (sizes, stretch) = (registry::sizes(case), stretch(case).unwrap_or(1));
    let (heads, dqk, dv) = (sizes.heads() as f64, sizes.dqk as f64, sizes.dv as f64);
    let read = registry::work(case, stretch.min(sizes.s) as f64 * by_token + by_state * dqk * dv);
    let sums = accumulator(case.dtype).size() as f64;
    let states = sets * sums * boundaries(sizes.s, stretch) as f64 * (dqk * dv + dqk);
    Work { bytes: read.bytes + heads * states, ..read }
}

/// Values, and their error bounds.
type Bounded = Vec<(f64, f64)>;

/// A gradient of rows in the registry.
pub(super) struct RegisteredRows {
    pub(super) spec: &'static Spec,
    pub(super) by: By,
    /// From the gradients by C and n, zeros with queries.
    pub(super) truth: fn(&Given, [Vec<f64>; 2]) -> Bounded,
}

impl Kernel for RegisteredRows {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn cases(&self) -> Vec<Case> {
        cases_of_rows()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut tensors = with_gradients(case)?;
        tensors.truncate(self.spec.inputs.len());
        Ok(tensors)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let sums = accumulator(case.dtype);
        let dtype = if parts_bw(&case.args)?.wide { sums } else { case.dtype };
        let gradients = match inputs {
            [.., c, n] if self.by != By::Query => [c.to_f64_vec()?, n.to_f64_vec()?],
            _ => [6, 7].map(|index| vec![0.0; inputs[index].elements()]),
        };
        let truth = (self.truth)(&Given::new(case, inputs)?, gradients);
        Ok(vec![Expected::values(&self.by.dims(&registry::sizes(case)), dtype, sums, 1.0, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        support(self.spec.name, device, case.dtype, true)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(self.spec)?;
        let names = match self.by {
            By::Query => "q k v i f dh, c_states n_states m_states",
            _ => "q k v i f dh, c_states n_states m_states, dc_states dn_states",
        };
        check_count(self.spec.name, names, inputs, &[self.spec.inputs.len()])?;
        let of_states = (self.by != By::Query).then(|| gradients(inputs, 9));
        let of = RowGradient {
            by: self.by,
            x: &sequence(inputs),
            states: &states(inputs, 6),
            gradients: of_states.as_ref(),
            dh: &inputs[5],
            args: &parts_bw(args)?,
        };
        Ok(vec![of.run(self.spec.name, stream, variant)?])
    }

    fn work(&self, case: &Case) -> Work {
        // Scores and their gradients for half a stretch, a third product of them, and two with states.
        let sizes = registry::sizes(case);
        work_of_reads(case, [2.0 * sizes.dqk as f64 + sizes.dv as f64, 4.0], 2.0)
    }
}
