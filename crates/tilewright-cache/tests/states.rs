//! Recurrent states in few bytes: what comes back, and what it does to a model's output.

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_cache::{Snapshots, StateFormat, StoredState, Values};
use tilewright_core::{DType, Stream, Tensor};
use tilewright_kernels::mlstm::{Mlstm, MlstmInputs, MlstmState, mlstm_step};

const HEADS: usize = 2;
const D: usize = 64;

/// About normal.
fn deviates(random: &mut ChaCha8Rng, shape: &[usize], centre: f32, width: f32) -> Tensor {
    let mut one =
        || (0..6).map(|_| random.random_range(-1.0f32..1.0)).sum::<f32>() * width / 2f32.sqrt() + centre;
    let values = (0..shape.iter().product()).map(|_| one()).collect::<Vec<f32>>();
    Tensor::from_vec(values, shape).unwrap()
}

fn empty() -> MlstmState {
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape).unwrap();
    MlstmState { c: zeros(&[1, HEADS, D, D]), n: zeros(&[1, HEADS, D]), m: zeros(&[1, HEADS]) }
}

/// One step, whose state goes through the format.
fn step(random: &mut ChaCha8Rng, state: MlstmState, format: StateFormat) -> (Vec<f64>, MlstmState) {
    let cpu = Stream::cpu();
    let mut row = || deviates(random, &[1, HEADS, D], 0.0, 1.0);
    let (q, k, v) = (row(), row(), row());
    let (i, f) = (deviates(random, &[1, HEADS], 0.0, 0.5), deviates(random, &[1, HEADS], 5.0, 0.2));
    let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
    let (h, next) = mlstm_step(&cpu, &x, &state, &Mlstm::default()).unwrap();
    let whole = StateFormat::default();
    let stored = StoredState::new(&cpu, &[(&next.c, format), (&next.n, whole), (&next.m, whole)]).unwrap();
    let [c, n, m] = stored.restore(&cpu).unwrap().try_into().unwrap();
    (h.to_f64_vec().unwrap(), MlstmState { c, n, m })
}

/// The error of h over the second half of 400 steps, relative to the same steps with a whole state.
fn error(format: StateFormat) -> f64 {
    let (mut one, mut other) = (empty(), empty());
    let (mut distance, mut norm) = (0.0, 0.0);
    for at in 0..400u64 {
        let (truth, next) = step(&mut ChaCha8Rng::seed_from_u64(at), one, StateFormat::default());
        one = next;
        let (h, next) = step(&mut ChaCha8Rng::seed_from_u64(at), other, format);
        other = next;
        if at >= 200 {
            distance += h.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            norm += truth.iter().map(|x| x * x).sum::<f64>();
        }
    }
    (distance / norm).sqrt()
}

#[test]
fn what_feedback_is_worth() {
    let int8 = Values::Int8 { block: 64 };
    let [bf16, bf16_kept, eight, eight_kept] =
        [(Values::Bf16, false), (Values::Bf16, true), (int8, false), (int8, true)]
            .map(|(values, feedback)| error(StateFormat { values, feedback }));
    println!(
        "bf16 {bf16:.2e}, with feedback {bf16_kept:.2e}; int8 {eight:.2e}, with feedback {eight_kept:.2e}"
    );
    // Feedback divides the step of integers by 14; bf16's is relative to each number, and what it loses has a scale for 128 of them.
    assert!(eight > 3.0 * bf16, "{eight} and {bf16}");
    assert!(eight_kept < eight / 10.0, "{eight_kept} of {eight}");
    assert!(bf16_kept < bf16 / 5.0, "{bf16_kept} of {bf16}");
    assert!(eight_kept < bf16, "{eight_kept} and {bf16}");
}

#[test]
fn small_updates_arrive_where_what_was_lost_is_kept() {
    let cpu = Stream::cpu();
    let int8 = Values::Int8 { block: 64 };
    let grown = |feedback: bool| {
        let mut x = vec![0.0f32; 64];
        x[0] = 127.0;
        let mut x = Tensor::from_vec(x, [1, 64]).unwrap();
        for _ in 0..100 {
            // A fifth of a rounding step each time.
            let next = x
                .to_vec::<f32>()
                .unwrap()
                .iter()
                .enumerate()
                .map(|(at, x)| if at == 7 { x + 0.2 } else { *x })
                .collect();
            let next = Tensor::from_vec::<f32>(next, [1, 64]).unwrap();
            let stored = StoredState::new(&cpu, &[(&next, StateFormat { values: int8, feedback })]).unwrap();
            x = stored.restore(&cpu).unwrap().remove(0);
        }
        x.to_vec::<f32>().unwrap()[7]
    };
    assert_eq!(grown(false), 0.0);
    assert!((grown(true) - 20.0).abs() < 2.0, "{}", grown(true));
}

#[test]
fn kept_states_are_as_they_were_after_any_operations() {
    let cpu = Stream::cpu();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let states = Snapshots::new(usize::MAX / 2);
    // Of each prefix what its state was restored to at once, and bounds on its error.
    let mut lists: HashMap<Vec<u32>, Vec<Vec<f32>>> = HashMap::new();
    let formats = [Values::Whole, Values::Bf16, Values::Int8 { block: 16 }, Values::Int8 { block: 0 }];
    for round in 0..400 {
        let length = random.random_range(0..6);
        let tokens: Vec<u32> = (0..length).map(|_| random.random_range(0..2)).collect();
        if round % 2 == 0 {
            let tensors = [deviates(&mut random, &[3, 33], 0.0, 2.0), deviates(&mut random, &[2], 1.0, 1.0)];
            let format =
                StateFormat { values: formats[random.random_range(0..4)], feedback: random.random() };
            let state = [(&tensors[0], format), (&tensors[1], StateFormat::default())];
            let stored = StoredState::new(&cpu, &state).unwrap();
            let errors = stored.errors(&cpu, &[&tensors[0], &tensors[1]]).unwrap();
            let bound = match (format.values, format.feedback) {
                (Values::Whole, _) => 0.0,
                (Values::Bf16, false) => 1.0 / 256.0,
                (Values::Bf16, true) => 1.0 / 256.0 / 7.0,
                (_, false) => 1.0 / 127.0,
                (_, true) => 1.0 / 127.0 / 7.0,
            };
            assert!(errors[0] <= bound && errors[1] == 0.0, "{format:?}: {errors:?}");
            assert!((errors[0] > 0.0) == (format.values != Values::Whole));
            let restored = stored.restore(&cpu).unwrap();
            lists.insert(tokens.clone(), restored.iter().map(|x| x.to_vec().unwrap()).collect());
            let bytes = stored.bytes();
            assert!(states.put(&tokens, 0, stored, bytes));
        } else if let Some((length, state)) = states.longest(&tokens, 0) {
            let expected = (0..=tokens.len()).rev().find(|&length| lists.contains_key(&tokens[..length]));
            assert_eq!(Some(length), expected);
            // A fork is a clone: what is done to one's tensors is not seen by the other.
            let fork = StoredState::clone(&state);
            let mut own = fork.restore(&cpu).unwrap();
            own[0] = Tensor::from_vec(vec![0.0f32; 99], [3, 33]).unwrap();
            let read: Vec<Vec<f32>> =
                state.restore(&cpu).unwrap().iter().map(|x| x.to_vec().unwrap()).collect();
            assert_eq!(read, lists[&tokens[..length]]);
        }
    }
    let x = Tensor::zeros(DType::I32, [2, 16]).unwrap();
    let bf16 = StateFormat { values: Values::Bf16, feedback: false };
    let error = StoredState::new(&cpu, &[(&x, bf16)]).unwrap_err().to_string();
    assert!(error.contains("state has dtype i32"), "{error}");
    let x = Tensor::zeros(DType::F32, [2, 16]).unwrap();
    let odd = StateFormat { values: Values::Int8 { block: 12 }, feedback: false };
    let error = StoredState::new(&cpu, &[(&x, odd)]).unwrap_err().to_string();
    assert!(error.contains("block is 12"), "{error}");
}
