//! What a row asks for, and the words that kernels read it from.

use tilewright_core::{DType, Error, Result, Stream, Tensor};

use super::noise::{COOLEST, keys_of};

const NAME: &str = "sample";

/// Words of a row's parameters (`WORDS` of the bodies).
pub(super) const WORDS: usize = 20;

/// How a token of one row is drawn. The default draws from the softmax of the logits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0, and anything below 1e-5, is greedy: the first of the largest. Default 1.
    pub temperature: f32,
    /// Keeps the k largest logits, and those that equal the k-th. 0 is off. Default 0.
    pub top_k: u32,
    /// Keeps the fewest likeliest tokens that have this part of the probability, and those as likely as the last of them; 0 keeps the
    /// likeliest. 1 is off. Default 1.
    pub top_p: f32,
    /// Keeps tokens with at least this part of the likeliest one's probability. 0 is off. Default 0.
    pub min_p: f32,
    /// Keeps the tokens whose surprise is nearest to the entropy, the fewest that have this part of the probability, and those as near as
    /// the last. 1 is off. Default 1.
    pub typical_p: f32,
    /// Keeps logits within so many standard deviations (of all the row's logits) of the largest. 0 is off. Default 0.
    pub top_n_sigma: f32,
    /// How often tokens of at least `xtc_threshold` are removed but for the least likely of them. 0 is off. Default 0.
    pub xtc_probability: f32,
    /// The probability from which XTC removes. Default 0.1.
    pub xtc_threshold: f32,
    /// Order of the filters and of the temperature. Default vLLM's.
    pub order: Order,
    /// The seed of the row's request. Default 0.
    pub seed: u64,
    /// The place of the token in its sequence: another one draws anew. Default 0.
    pub position: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            top_n_sigma: 0.0,
            xtc_probability: 0.0,
            xtc_threshold: 0.1,
            order: Order::VLLM,
            seed: 0,
            position: 0,
        }
    }
}

/// A step between logits and draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Division by the temperature: filters by probability that come later see what it makes of the logits. The draw always does.
    Temperature = 1,
    /// `top_n_sigma`.
    TopNSigma = 2,
    /// `top_k`.
    TopK = 3,
    /// `typical_p`.
    TypicalP = 4,
    /// `top_p`.
    TopP = 5,
    /// `min_p`.
    MinP = 6,
    /// `xtc_probability`.
    Xtc = 7,
}

/// The order of the stages, each at most once. A filter by probability renormalises what the stages before it kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order(u32);

impl Order {
    /// vLLM: temperature, min-p, top-k, top-p; then what vLLM has not.
    pub const VLLM: Order = Order::of(&[
        Stage::Temperature,
        Stage::MinP,
        Stage::TopK,
        Stage::TopP,
        Stage::TopNSigma,
        Stage::TypicalP,
        Stage::Xtc,
    ]);
    /// llama.cpp's default chain: top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature.
    pub const LLAMA_CPP: Order = Order::of(&[
        Stage::TopNSigma,
        Stage::TopK,
        Stage::TypicalP,
        Stage::TopP,
        Stage::MinP,
        Stage::Xtc,
        Stage::Temperature,
    ]);
    /// mlx-lm: top-p, min-p, XTC, top-k, temperature; then what mlx-lm has not.
    pub const MLX_LM: Order = Order::of(&[
        Stage::TopNSigma,
        Stage::TypicalP,
        Stage::TopP,
        Stage::MinP,
        Stage::Xtc,
        Stage::TopK,
        Stage::Temperature,
    ]);

    const fn of(stages: &[Stage]) -> Self {
        let mut word = 0;
        let mut at = 0;
        while at < stages.len() {
            word |= (stages[at] as u32) << (4 * at);
            at += 1;
        }
        Order(word)
    }

    /// Any order. A stage that is left out is off, but for the temperature, which the draw always applies. Fails on a stage that comes twice.
    pub fn new(stages: &[Stage]) -> Result<Self> {
        let twice = |at: usize| stages[..at].contains(&stages[at]);
        match (0..stages.len()).find(|&at| twice(at)) {
            Some(at) => {
                Err(Error::range(NAME, "order", "each stage once", format!("{:?} twice", stages[at])))
            }
            None => Ok(Self::of(stages)),
        }
    }

    /// The stages, first to last.
    pub fn stages(self) -> impl Iterator<Item = Stage> {
        use Stage::{MinP, Temperature, TopK, TopNSigma, TopP, TypicalP, Xtc};
        let all = [Temperature, TopNSigma, TopK, TypicalP, TopP, MinP, Xtc];
        (0..7).filter_map(move |at| all.into_iter().find(|&stage| stage as u32 == self.0 >> (4 * at) & 15))
    }
}

/// What a stage of a row does, with its numbers as kernels have them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Temperature,
    TopNSigma(f32),
    TopK(u32),
    TypicalP(u32),
    TopP(u32),
    MinP(f32),
    Xtc { threshold: u32, bits: u32 },
}

/// A row's parameters, read back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) greedy: bool,
    /// Whether the total at the row's temperature is needed.
    pub(super) warm_total: bool,
    pub(super) scale: f32,
    pub(super) limit: f32,
    pub(super) steps: Vec<Step>,
    pub(super) want: usize,
    seed: u64,
    position: u64,
}

const GREEDY: u32 = 1;
const FILTERED: u32 = 2;
const WARM_TOTAL: u32 = 4;
/// The total at temperature 1 decides, so it must be exact.
const COLD_TOTAL: u32 = 8;
/// The standard deviation is needed.
const DEVIATION: u32 = 16;

/// Tokens that a filter by probability alone usually is content with.
const USUAL: u32 = 256;

impl Row {
    pub(super) fn filtered(&self) -> bool {
        !self.steps.is_empty()
    }

    pub(super) fn uses_sigma(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::TopNSigma(_)))
    }

    /// The words of the row's hash.
    pub(super) fn keys(&self) -> u64 {
        keys_of(self.seed, self.position)
    }

    /// From a row's words, `step` positions on.
    pub(super) fn read(words: &[u32], step: u64) -> Self {
        let float = |at: usize| f32::from_bits(words[at]);
        let wide = |at: usize| u64::from(words[at]) | u64::from(words[at + 1]) << 32;
        let action = |stage| match stage {
            Stage::Temperature => Step::Temperature,
            Stage::TopNSigma => Step::TopNSigma(float(7)),
            Stage::TopK => Step::TopK(words[3]),
            Stage::TypicalP => Step::TypicalP(words[6]),
            Stage::TopP => Step::TopP(words[4]),
            Stage::MinP => Step::MinP(float(5)),
            Stage::Xtc => Step::Xtc { threshold: words[8], bits: words[9] },
        };
        let filtered = words[0] & FILTERED != 0;
        Self {
            greedy: words[0] & GREEDY != 0,
            warm_total: words[0] & WARM_TOTAL != 0,
            scale: float(1),
            limit: float(2),
            steps: Order(words[10]).stages().filter(|_| filtered).map(action).collect(),
            want: words[11] as usize,
            seed: wide(12),
            position: wide(14).wrapping_add(step),
        }
    }
}

/// The parameters of every row of a batch, as a tensor that lies where the logits do. Made once for a batch; [`super::Sample::step`] moves all
/// positions on.
#[derive(Debug, Clone)]
pub struct Parameters(Tensor);

impl Parameters {
    /// Of these rows, on the host. Fails on a number out of its range, naming it.
    pub fn new(rows: &[Sampling]) -> Result<Self> {
        let mut words = Vec::with_capacity(rows.len() * WORDS);
        for row in rows {
            words.extend(row.words()?);
        }
        Ok(Self(Tensor::from_vec(words, [rows.len(), WORDS])?))
    }

    /// The same on the device of `stream`.
    pub fn to(&self, stream: &Stream) -> Result<Self> {
        Ok(Self(self.0.to(stream)?))
    }

    /// The words, u32 `[rows, 20]`.
    pub fn tensor(&self) -> &Tensor {
        &self.0
    }

    /// From [`Self::tensor`]. Fails on another shape or dtype.
    pub fn from_tensor(words: &Tensor) -> Result<Self> {
        if words.dtype() != DType::U32 {
            return Err(Error::dtype(NAME, "parameters", DType::U32, words.dtype()));
        }
        match words.dims() {
            [_, WORDS] => Ok(Self(words.clone())),
            _ => Err(Error::shape(NAME, "parameters", format!("[r, {WORDS}]"), words.shape())),
        }
    }
}

/// The stage, if no stage that cuts comes before it.
fn first_of(stages: &[Stage], wanted: Stage) -> Option<&Stage> {
    stages.iter().find(|stage| !matches!(stage, Stage::Temperature)).filter(|stage| **stage == wanted)
}

impl Sampling {
    fn check(&self) -> Result<()> {
        let part = |name: &'static str, value: f32| match (0.0..=1.0).contains(&value) {
            true => Ok(()),
            false => Err(Error::range(NAME, name, "0 to 1", value)),
        };
        let size = |name: &'static str, value: f32| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(Error::range(NAME, name, "finite and at least 0", value)),
        };
        size("temperature", self.temperature)?;
        size("top_n_sigma", self.top_n_sigma)?;
        part("top_p", self.top_p)?;
        part("min_p", self.min_p)?;
        part("typical_p", self.typical_p)?;
        part("xtc_probability", self.xtc_probability)?;
        part("xtc_threshold", self.xtc_threshold)
    }

    fn words(&self) -> Result<[u32; WORDS]> {
        self.check()?;
        const OCTAVES: f64 = 100.0; // below the likeliest, where weights end
        let greedy = self.temperature < 1e-5;
        let temperature = if greedy { 1.0 } else { self.temperature.min(1e6) };
        let scale = (std::f64::consts::LOG2_E / f64::from(temperature)) as f32;
        let is_on = |stage: Stage| match stage {
            Stage::Temperature => true,
            Stage::TopNSigma => self.top_n_sigma > 0.0,
            Stage::TopK => self.top_k > 0,
            Stage::TypicalP => self.typical_p < 1.0,
            Stage::TopP => self.top_p < 1.0,
            Stage::MinP => self.min_p > 0.0,
            Stage::Xtc => self.xtc_probability > 0.0,
        };
        let stages: Vec<Stage> = self.order.stages().filter(|&stage| !greedy && is_on(stage)).collect();
        let filtered = stages.iter().any(|&stage| stage != Stage::Temperature);
        let at = |wanted: Stage| stages.iter().position(|&stage| stage == wanted);
        let is_warm = |stage: Stage| at(Stage::Temperature) < at(stage) && at(Stage::Temperature).is_some();
        // A filter by mass takes its part of all tokens' total where only XTC, which may do nothing, comes before it.
        let cuts = |stage: &&Stage| !matches!(stage, Stage::Temperature | Stage::Xtc);
        let by_total =
            [stages.iter().find(cuts).filter(|stage| **stage == Stage::TopP), first_of(&stages, Stage::Xtc)];
        let by_total = |warm: bool| by_total.iter().flatten().any(|&&stage| is_warm(stage) == warm);
        let warm_total = !greedy && temperature != 1.0 && (!filtered || by_total(true));
        let cold_total = by_total(false) || (temperature == 1.0 && (by_total(true) || !filtered));
        // Each part of the probability in units of 2^-32; 1 would not fit, and is off where it may be.
        let fraction =
            |part: f32| ((f64::from(part) * 4_294_967_296.0) as u64).min(u64::from(u32::MAX)) as u32;
        let heat = if is_warm(Stage::MinP) { f64::from(temperature) } else { 1.0 };
        let first = stages.iter().find(|&&stage| stage != Stage::Temperature && stage != Stage::MinP);
        let want = match (filtered, first) {
            (false, _) => 1,
            (true, Some(Stage::TopK)) => self.top_k,
            (true, _) => self.top_k.max(USUAL),
        };
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let mut words = [0; WORDS];
        words[0] = flag(greedy, GREEDY)
            | flag(filtered, FILTERED)
            | flag(warm_total, WARM_TOTAL)
            | flag(cold_total, COLD_TOTAL)
            | flag(stages.contains(&Stage::TopNSigma), DEVIATION);
        words[1] = scale.to_bits();
        let limit = if temperature == 1.0 { COOLEST } else { (-OCTAVES / f64::from(scale)) as f32 };
        words[2] = limit.to_bits();
        words[3] = self.top_k;
        words[4] = fraction(self.top_p);
        words[5] = ((-f64::from(self.min_p).ln() * heat) as f32).to_bits();
        words[6] = fraction(self.typical_p);
        words[7] = (self.top_n_sigma / 4096.0).to_bits();
        words[8] = fraction(self.xtc_threshold);
        words[9] = fraction(self.xtc_probability);
        words[10] = if filtered { Order::of(&stages).0 } else { 0 };
        words[11] = want;
        (words[12], words[13]) = (self.seed as u32, (self.seed >> 32) as u32);
        (words[14], words[15]) = (self.position as u32, (self.position >> 32) as u32);
        Ok(words)
    }
}
