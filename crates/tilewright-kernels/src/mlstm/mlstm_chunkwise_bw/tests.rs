//! Published numbers, central differences, and properties that cases cannot say.

use tilewright_core::{Case, DType, Stream, Tensor, Tier};

use super::cases::numbers;
use super::reference::{self, Form, Gradients, Loss};
use super::{MlstmBackward, MlstmChunkwiseBw, MlstmGradients, MlstmLoss, mlstm_chunkwise_bw};
use crate::mlstm::mlstm_sequence as sequence;
use crate::mlstm::mlstm_sequence::reference::{Numbers, mlstm_sequence};
use crate::mlstm::stabilisers::{SHIFTS, assert_close, cells, moved, places};
use crate::mlstm::{
    InputGate, Mlstm, MlstmChunkwise, MlstmInputs, MlstmState, mlstm_chunkwise, registry, samples,
};

fn case(sizes: [usize; 5], data: &'static str) -> Case {
    registry::case(Tier::Edge, sizes, DType::F64).data(data)
}

fn close(got: &[f64], published: &[f64], tolerance: f64) {
    assert_eq!(got.len(), published.len());
    for (got, published) in got.iter().zip(published) {
        assert!((got - published).abs() < tolerance, "{got} {published}");
    }
}

/// Both the truth and the native path, in chunks of 2.
fn both(inputs: &[Tensor], cell: Mlstm, mode: MlstmBackward) -> [Vec<Vec<f64>>; 2] {
    let (x, loss) = numbers(inputs).unwrap();
    let truth = reference::mlstm_chunkwise_bw(
        &x,
        &loss,
        &cell,
        mode == MlstmBackward::Exact,
        Form::of_chunks(2),
        DType::F64,
    );
    [values(truth), run(&Stream::cpu(), inputs, cell, mode, 2)]
}

fn values(truth: Gradients) -> Vec<Vec<f64>> {
    truth.iter().map(|part| part.iter().map(|(value, _)| *value).collect()).collect()
}

fn run(stream: &Stream, inputs: &[Tensor], cell: Mlstm, mode: MlstmBackward, chunk: usize) -> Vec<Vec<f64>> {
    let x =
        MlstmInputs { q: &inputs[0], k: &inputs[1], v: &inputs[2], i: &inputs[3], f: &inputs[4], o: None };
    let state = (inputs.len() > 6).then(|| {
        let [c, n, m] = [6, 7, 8].map(|index| inputs[index].clone());
        MlstmState { c, n, m }
    });
    let loss = MlstmLoss { h: &inputs[5], c: inputs.get(9), n: inputs.get(10) };
    let args = MlstmChunkwiseBw { cell, chunk: Some(chunk), mode, ..MlstmChunkwiseBw::default() };
    let by = mlstm_chunkwise_bw(stream, &x, state.as_ref(), &loss, &args).unwrap();
    let all = [by.q, by.k, by.v, by.i, by.f, by.state.c, by.state.n, by.state.m];
    all.iter().map(|part| part.to_f64_vec().unwrap()).collect()
}

#[test]
fn the_published_gradients() {
    let inputs = samples::with_loss(&case([1, 1, 5, 2, 3], "vector")).unwrap();
    for by in both(&inputs, Mlstm::default(), MlstmBackward::Exact) {
        close(&by[3], &[1.5664579371, -0.0337842668, 0.3106294351, -0.3236362811, -0.0283168477], 2e-10);
        close(&by[4], &[0.0, -0.0312957330, -0.0958706149, 0.1414022128, 0.0605219631], 2e-10);
        close(&by[0][2..6], &[-0.0060067752, 0.0058206912, -0.0249612361, 0.1042868204], 2e-10);
        close(&by[0][8..], &[-0.2428522914, -0.1070578931], 2e-10);
        close(&by[1][..4], &[0.2507054321, 1.8903291303, -0.3034051734, 0.2267544797], 2e-10);
        close(&by[2][..3], &[1.1813652091, 0.9296916394, 0.4503971322], 2e-10);
    }
    for by in both(&inputs, Mlstm::default(), MlstmBackward::NormInvariant) {
        close(&by[3], &[1.7360991806, 0.6913977459, 0.2907382277, -0.3236362811, -0.0283168477], 2e-10);
        close(&by[4], &[0.0, 0.0198593507, -0.1105144772, 0.1414022128, 0.0605219631], 2e-10);
        close(&by[0][2..4], &[0.5544681092, 0.5955589110], 2e-10);
        close(&by[1][..2], &[0.3484220021, 1.9942650452], 2e-10);
        close(&by[2][..3], &[1.1813652091, 0.9296916394, 0.4503971322], 2e-10);
    }
}

#[test]
fn the_published_gradients_with_states() {
    let mut inputs = samples::with_loss(&case([1, 1, 5, 2, 3], "vector_state")).unwrap();
    // The published loss is the sum of C exp(m) and of n exp(m).
    let m = 0.0779434188f64.exp();
    inputs[9] = Tensor::from_f64(&[m; 6], DType::F64, [1, 1, 2, 3]).unwrap();
    inputs[10] = Tensor::from_f64(&[m; 2], DType::F64, [1, 1, 2]).unwrap();
    for by in both(&inputs, Mlstm::default(), MlstmBackward::Exact) {
        close(&by[3], &[2.4404128454, 6.5919979403, 2.6396888813, -0.3321440004, -0.0340047150], 1e-9);
        close(&by[4], &[0.0016378360, 0.0458467886, 0.9008610058, 2.0757571654, 0.9984145834], 1e-9);
        close(&by[0][6..8], &[-1.5019471195, -1.6434387177], 1e-9);
        let dc = [1.4151858630, 0.8021252926, 0.2310594875, 2.7352913961, 2.6894908059, 2.2235920790];
        close(&by[5], &dc, 1e-9);
        close(&by[6], &[0.8502612644, 0.1079829501], 1e-9);
        close(&by[7], &[0.3153704138], 1e-9);
    }
}

/// The loss: a weighted sum of h, and of C exp(m) and n exp(m) at weights that make `loss.c` and `loss.n` its gradients by C and n.
fn loss_of(x: &Numbers, loss: &Loss, cell: &Mlstm, m_last: &[f64]) -> f64 {
    let y = mlstm_sequence(x, cell, 0.0, DType::F64);
    let mut sum: f64 = y.h.iter().zip(&loss.h).map(|((h, _), w)| h * w).sum();
    for (head, m_last) in m_last.iter().enumerate() {
        let scale = (y.m[head].0 - m_last).exp();
        let (c, n) = (head * x.dqk * x.dv..(head + 1) * x.dqk * x.dv, head * x.dqk..(head + 1) * x.dqk);
        sum += scale * y.c[c.clone()].iter().zip(&loss.c[c]).map(|((c, _), w)| c * w).sum::<f64>();
        sum += scale * y.n[n.clone()].iter().zip(&loss.n[n]).map(|((n, _), w)| n * w).sum::<f64>();
    }
    sum
}

#[test]
fn the_truth_is_what_central_differences_say() {
    let cells = [
        // What eps reaches through m is not differentiated: without eps nothing is left out.
        Mlstm { eps: 0.0, ..Mlstm::default() },
        Mlstm { eps: 0.0, gate_cap: Some(4.0), scale: Some(0.8), ..Mlstm::default() },
        Mlstm { normalize: false, ..Mlstm::default() },
        Mlstm { input_gate: InputGate::Sigmoid, ..Mlstm::default() },
        Mlstm { input_gate: InputGate::Sigmoid, normalize: false, gate_cap: Some(2.0), ..Mlstm::default() },
    ];
    for (seed, cell) in cells.into_iter().enumerate() {
        let case = Case { seed: seed as u64 + 3, ..case([1, 2, 6, 3, 4], "state") };
        let (mut x, loss) = numbers(&samples::with_loss(&case).unwrap()).unwrap();
        let truth =
            values(reference::mlstm_chunkwise_bw(&x, &loss, &cell, true, Form::of_chunks(2), DType::F64));
        let m_last: Vec<f64> = mlstm_sequence(&x, &cell, 0.0, DType::F64).m.iter().map(|(m, _)| *m).collect();
        let parts: [fn(&mut Numbers) -> &mut Vec<f64>; 8] = [
            |x| &mut x.q,
            |x| &mut x.k,
            |x| &mut x.v,
            |x| &mut x.i,
            |x| &mut x.f,
            |x| &mut x.c,
            |x| &mut x.n,
            |x| &mut x.m,
        ];
        for (part, truth) in parts.into_iter().zip(truth) {
            for (at, truth) in truth.into_iter().enumerate() {
                let step = 1e-5;
                let mut moved = |by: f64| {
                    part(&mut x)[at] += by;
                    let value = loss_of(&x, &loss, &cell, &m_last);
                    part(&mut x)[at] -= by;
                    value
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                assert!((slope - truth).abs() < 1e-7 * (1.0 + truth.abs()), "{cell:?}: {slope} {truth}");
            }
        }
    }
}

#[test]
fn an_output_gate_has_the_gradients_of_central_differences() {
    let mut inputs = samples::with_loss(&case([1, 2, 7, 3, 5], "gated")).unwrap();
    let o = inputs.pop().unwrap();
    let (mut x, all_loss) = numbers(&inputs).unwrap();
    let cell = Mlstm { eps: 0.0, ..Mlstm::default() };
    x.o = Some(o.to_f64_vec().unwrap());
    let m_last: Vec<f64> = mlstm_sequence(&x, &cell, 0.0, DType::F64).m.iter().map(|(m, _)| *m).collect();
    let given = MlstmInputs {
        q: &inputs[0],
        k: &inputs[1],
        v: &inputs[2],
        i: &inputs[3],
        f: &inputs[4],
        o: Some(&o),
    };
    let [c, n, m] = [6, 7, 8].map(|index| inputs[index].clone());
    let loss = MlstmLoss { h: &inputs[5], c: Some(&inputs[9]), n: Some(&inputs[10]) };
    let args = MlstmChunkwiseBw { cell, chunk: Some(4), ..MlstmChunkwiseBw::default() };
    let by = mlstm_chunkwise_bw(&Stream::cpu(), &given, Some(&MlstmState { c, n, m }), &loss, &args).unwrap();
    type Part = fn(&mut Numbers) -> &mut Vec<f64>;
    let parts: [(Part, Tensor); 4] = [
        (|x| x.o.as_mut().unwrap(), by.o.unwrap()),
        (|x| &mut x.q, by.q),
        (|x| &mut x.v, by.v),
        (|x| &mut x.f, by.f),
    ];
    for (part, by) in parts {
        for (at, by) in by.to_f64_vec().unwrap().into_iter().enumerate() {
            let step = 1e-5;
            let mut moved = |change: f64| {
                part(&mut x)[at] += change;
                let value = loss_of(&x, &all_loss, &cell, &m_last);
                part(&mut x)[at] -= change;
                value
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((slope - by).abs() < 1e-7 * (1.0 + by.abs()), "{slope} {by}");
        }
    }
}

#[test]
fn an_output_gate_is_a_factor_of_the_loss_by_h() {
    let mut inputs = samples::with_loss(&case([2, 2, 101, 7, 11], "gated")).unwrap();
    let o = inputs.pop().unwrap();
    let (x, loss) = registry::inputs("test", &inputs[..5]).map(|(x, _)| (x, &inputs[5])).unwrap();
    let [c, n, m] = [6, 7, 8].map(|index| inputs[index].clone());
    let state = MlstmState { c, n, m };
    let values = |tensor: &Tensor| tensor.to_f64_vec().unwrap();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let sizes = loss.dims();
    let cells = [Mlstm::default(), Mlstm { normalize: false, ..Mlstm::default() }];
    for (cell, mode) in cells
        .into_iter()
        .flat_map(|cell| [MlstmBackward::Exact, MlstmBackward::NormInvariant].map(|mode| (cell, mode)))
    {
        // One block of queries, parts of several, and chunks of which the last is shorter.
        for chunk in [16, 70, 200] {
            let args = MlstmChunkwiseBw { cell, chunk: Some(chunk), mode, tile: None };
            let of_all = MlstmLoss { h: loss, c: Some(&inputs[9]), n: Some(&inputs[10]) };
            let gated = MlstmInputs { o: Some(&o), ..x };
            let by = mlstm_chunkwise_bw(&Stream::cpu(), &gated, Some(&state), &of_all, &args).unwrap();

            let forward = MlstmChunkwise { cell, chunk: Some(chunk), tile: None };
            let (h, _) = mlstm_chunkwise(&Stream::cpu(), &x, Some(&state), &forward).unwrap();
            let (h, dy, o) = (values(&h), values(loss), values(&o));
            let dh: Vec<f64> = dy.iter().zip(&o).map(|(dy, &o)| dy * sigmoid(o)).collect();
            let by_o: Vec<f64> =
                dh.iter().zip(&o).zip(&h).map(|((dh, &o), h)| dh * sigmoid(-o) * h).collect();
            let dh = Tensor::from_f64(&dh, DType::F64, sizes).unwrap();
            let plain = MlstmLoss { h: &dh, ..of_all };
            let apart = mlstm_chunkwise_bw(&Stream::cpu(), &x, Some(&state), &plain, &args).unwrap();
            assert!(apart.o.is_none());
            let parts = |by: MlstmGradients| {
                let MlstmGradients { q, k, v, i, f, state: MlstmState { c, n, m }, .. } = by;
                [q, k, v, i, f, c, n, m].map(|part| values(&part))
            };
            let mut pairs = vec![(values(by.o.as_ref().unwrap()), by_o)];
            pairs.extend(parts(by).into_iter().zip(parts(apart)));
            for (a, b) in pairs {
                let size = b.iter().fold(1.0f64, |size, b| size.max(b.abs()));
                assert_eq!(a.len(), b.len());
                a.iter().zip(&b).for_each(|(a, b)| assert!((a - b).abs() < 1e-12 * size, "{a} {b}"));
            }
        }
    }
}

#[test]
fn every_chunk_length_gives_the_same_gradients() {
    let inputs = samples::with_loss(&case([2, 2, 101, 7, 11], "state")).unwrap();
    for cell in [Mlstm::default(), Mlstm { input_gate: InputGate::Sigmoid, ..Mlstm::default() }] {
        let one = run(&Stream::cpu(), &inputs, cell, MlstmBackward::Exact, 101);
        for chunk in [1, 3, 16, 49, 64, 100, 500] {
            for (a, b) in run(&Stream::cpu(), &inputs, cell, MlstmBackward::Exact, chunk).iter().zip(&one) {
                let size = b.iter().fold(1.0f64, |size, b| size.max(b.abs()));
                a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-11 * size, "{a} {b}"));
            }
        }
    }
}

/// Gradients by what the state does not scale are the same, and so is that by m; those by C_0 and n_0 grow as these shrink. The loss is one of C exp(m) and
/// n exp(m), so that its gradients by C and n go with the exp(m) at the end.
#[test]
fn another_stabiliser_of_the_same_state_gives_the_same_gradients() {
    for (stream, dtype, tolerance) in places() {
        let case = registry::case(Tier::Edge, [2, 2, 23, 5, 7], dtype).data("state");
        let inputs = samples::with_loss(&case).unwrap();
        for cell in cells() {
            let m_last = |inputs: &[Tensor]| -> Vec<f64> {
                let [c, n, m] = [6, 7, 8].map(|index| inputs[index].to(&Stream::cpu()).unwrap());
                let state = MlstmState { c, n, m };
                let host = [0, 1, 2, 3, 4].map(|index| inputs[index].to(&Stream::cpu()).unwrap());
                let [q, k, v, i, f] = &host;
                let x = MlstmInputs { q, k, v, i, f, o: None };
                sequence(&Stream::cpu(), &x, Some(&state), &cell).unwrap().1.m.to_f64_vec().unwrap()
            };
            let last = m_last(&inputs);
            let gradients = |by: f64, mode: MlstmBackward, chunk: usize| {
                let mut inputs = moved(&stream, &inputs, 6, by);
                let there = m_last(&inputs);
                for index in [9, 10] {
                    let mut values = inputs[index].to_f64_vec().unwrap();
                    let each = values.len() / last.len();
                    for (at, value) in values.iter_mut().enumerate() {
                        *value *= (there[at / each] - last[at / each]).exp();
                    }
                    let scaled = Tensor::from_f64(&values, dtype, inputs[index].shape()).unwrap();
                    inputs[index] = scaled.to(&stream).unwrap();
                }
                run(&stream, &inputs, cell, mode, chunk)
            };
            for (mode, chunk) in
                [(MlstmBackward::Exact, 1), (MlstmBackward::Exact, 16), (MlstmBackward::NormInvariant, 7)]
            {
                let as_given = gradients(0.0, mode, chunk);
                for by in SHIFTS {
                    for (part, (got, given)) in gradients(by, mode, chunk).iter().zip(&as_given).enumerate() {
                        let scale = if part == 5 || part == 6 { (-by).exp() } else { 1.0 };
                        let got: Vec<f64> = got.iter().map(|x| x * scale).collect();
                        assert_close(&got, given, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn wrong_gradients_are_named() {
    let inputs = samples::with_loss(&case([1, 2, 3, 4, 5], "state")).unwrap();
    let x =
        MlstmInputs { q: &inputs[0], k: &inputs[1], v: &inputs[2], i: &inputs[3], f: &inputs[4], o: None };
    let right = MlstmLoss { h: &inputs[5], c: None, n: None };
    let error = |x: &MlstmInputs<'_>, loss: MlstmLoss<'_>| {
        let args = MlstmChunkwiseBw::default();
        mlstm_chunkwise_bw(&Stream::cpu(), x, None, &loss, &args).unwrap_err().to_string()
    };
    let single = Tensor::zeros(DType::F32, [1, 2, 4]).unwrap();
    for (error, part) in [
        (error(&x, MlstmLoss { h: &inputs[0], ..right }), "dh has shape [1, 2, 3, 4], expected [1, 2, 3, 5]"),
        (error(&x, MlstmLoss { c: Some(&inputs[7]), ..right }), "dc has shape [1, 2, 4]"),
        (error(&x, MlstmLoss { n: Some(&single), ..right }), "dn has dtype f32, expected f64"),
        (
            error(&MlstmInputs { o: Some(&inputs[0]), ..x }, right),
            "o has shape [1, 2, 3, 4], expected [1, 2, 3, 5]",
        ),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_tile_is_one_of_two() {
    let inputs = samples::with_loss(&case([1, 1, 3, 4, 5], "")).unwrap();
    let (x, _) = registry::inputs("test", &inputs[..5]).unwrap();
    let args = MlstmChunkwiseBw { tile: Some(16), ..MlstmChunkwiseBw::default() };
    let loss = MlstmLoss { h: &inputs[5], c: None, n: None };
    let error = mlstm_chunkwise_bw(&Stream::cpu(), &x, None, &loss, &args).unwrap_err();
    assert_eq!(error.to_string(), "mlstm_chunkwise_bw: tile is 16, expected 32 or 64");
}
