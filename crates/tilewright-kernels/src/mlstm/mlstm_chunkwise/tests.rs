//! Properties that cases cannot say: the forms agree, and chunks leave no trace.

use tilewright_core::{Case, DType, Device, Stream, Tensor, Tier};

use super::{MlstmChunkwise, mlstm_chunkwise, suited_tile};
use crate::mlstm::stabilisers::{SHIFTS, assert_close, assert_same, cells, kinds, meant, moved, places};
use crate::mlstm::{InputGate, Mlstm, MlstmState, mlstm_parallel, mlstm_sequence, registry, samples};

fn case(sizes: [usize; 5], dtype: DType, data: &'static str) -> Case {
    registry::case(Tier::Edge, sizes, dtype).data(data)
}

fn chunks(cell: Mlstm, chunk: usize) -> MlstmChunkwise {
    MlstmChunkwise { cell, chunk: Some(chunk), ..MlstmChunkwise::default() }
}

fn run(tensors: &[Tensor], cell: Mlstm, chunk: usize) -> (Tensor, MlstmState) {
    let (x, state) = registry::inputs("test", tensors).unwrap();
    mlstm_chunkwise(&Stream::cpu(), &x, state.as_ref(), &chunks(cell, chunk)).unwrap()
}

#[test]
fn every_chunk_length_gives_the_recurrence() {
    for (dtype, tolerance) in [(DType::F64, 1e-13), (DType::F32, 2e-5)] {
        let tensors = samples::inputs(&case([2, 2, 101, 7, 19], dtype, "gated")).unwrap();
        let (x, state) = registry::inputs("test", &tensors).unwrap();
        for cell in kinds() {
            let (h, last) = mlstm_sequence(&Stream::cpu(), &x, state.as_ref(), &cell).unwrap();
            for chunk in [1, 2, 7, 16, 48, 49, 64, 100, 101, 1000] {
                let (chunked, end) = run(&tensors, cell, chunk);
                assert_close(&chunked.to_f64_vec().unwrap(), &h.to_f64_vec().unwrap(), tolerance);
                for (end, last) in meant(&end).iter().zip(&meant(&last)) {
                    assert_close(end, last, tolerance);
                }
            }
        }
    }
}

#[test]
fn another_stabiliser_of_the_same_state_changes_nothing() {
    for (stream, dtype, tolerance) in places() {
        let tensors = samples::inputs(&case([2, 2, 23, 5, 7], dtype, "gated")).unwrap();
        for (cell, chunk) in cells().into_iter().flat_map(|cell| [1, 4, 16, 64].map(|chunk| (cell, chunk))) {
            let run = |by: f64| {
                let tensors = moved(&stream, &tensors, 5, by);
                let (x, state) = registry::inputs("test", &tensors).unwrap();
                let args = chunks(cell, chunk);
                mlstm_chunkwise(&stream, &x, state.as_ref(), &args).unwrap()
            };
            let as_given = run(0.0);
            for by in SHIFTS {
                assert_same(&run(by), &as_given, tolerance);
            }
        }
    }
}

#[test]
fn without_a_state_every_form_is_the_parallel_one() {
    for data in ["", "vector"] {
        let sizes = if data.is_empty() { [2, 3, 75, 6, 5] } else { [1, 1, 40, 2, 3] };
        let tensors = samples::inputs(&case(sizes, DType::F64, data)).unwrap();
        let (x, _) = registry::inputs("test", &tensors).unwrap();
        for cell in [Mlstm::default(), Mlstm { input_gate: InputGate::Sigmoid, ..Mlstm::default() }] {
            let parallel = mlstm_parallel(&Stream::cpu(), &x, &cell).unwrap().to_f64_vec().unwrap();
            let (recurrent, _) = mlstm_sequence(&Stream::cpu(), &x, None, &cell).unwrap();
            assert_close(&parallel, &recurrent.to_f64_vec().unwrap(), 1e-13);
            assert_close(&run(&tensors, cell, 16).0.to_f64_vec().unwrap(), &parallel, 1e-13);
        }
    }
}

#[test]
fn chunks_in_two_calls_are_chunks_in_one_bit_for_bit() {
    let tensors = samples::inputs(&case([1, 3, 50, 5, 9], DType::F32, "gated")).unwrap();
    let (whole, last) = run(&tensors, Mlstm::default(), 8);
    let part = |range: std::ops::Range<usize>, state: [Tensor; 3]| {
        let cut = |index: usize| tensors[index].slice(2, range.clone()).unwrap();
        let mut part: Vec<Tensor> = (0..5).map(cut).collect();
        part.extend(state);
        part.push(cut(8));
        run(&part, Mlstm::default(), 8)
    };
    let (first, between) = part(0..24, [5, 6, 7].map(|index| tensors[index].clone()));
    let (second, end) = part(24..50, [between.c, between.n, between.m]);
    assert_eq!(whole.slice(2, 0..24).unwrap().to_bytes().unwrap(), first.to_bytes().unwrap());
    assert_eq!(whole.slice(2, 24..50).unwrap().to_bytes().unwrap(), second.to_bytes().unwrap());
    assert_eq!(last.c.to_bytes().unwrap(), end.c.to_bytes().unwrap());
}

#[test]
fn sequences_in_another_order_give_their_results_in_that_order() {
    let tensors = samples::inputs(&case([2, 3, 20, 5, 7], DType::F32, "gated")).unwrap();
    let (whole, last) = run(&tensors, Mlstm::default(), 8);
    let swapped: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| {
            let axes: Vec<usize> = [1, 0].into_iter().chain(2..tensor.rank()).collect();
            tensor.permute(&axes).unwrap()
        })
        .collect();
    let (h, state) = run(&swapped, Mlstm::default(), 8);
    assert_eq!(h.permute(&[1, 0, 2, 3]).unwrap().to_bytes().unwrap(), whole.to_bytes().unwrap());
    assert_eq!(state.c.permute(&[1, 0, 2, 3]).unwrap().to_bytes().unwrap(), last.c.to_bytes().unwrap());
    assert_eq!(state.m.transpose().unwrap().to_bytes().unwrap(), last.m.to_bytes().unwrap());
}

#[test]
fn forgetting_everything_is_a_new_start() {
    let mut tensors = samples::inputs(&case([1, 1, 12, 5, 7], DType::F32, "state")).unwrap();
    let mut f = tensors[4].to_vec::<f32>().unwrap();
    f[6] = f32::NEG_INFINITY;
    tensors[4] = Tensor::from_vec(f, [1, 1, 12]).unwrap();
    let rest: Vec<Tensor> = tensors[..5].iter().map(|tensor| tensor.slice(2, 6..12).unwrap()).collect();
    let (h, _) = run(&tensors, Mlstm::default(), 4);
    let (fresh, _) = run(&rest, Mlstm::default(), 4);
    // What differs is m, and through it eps: a new start has m_0 = 0.
    assert_close(&h.slice(2, 6..12).unwrap().to_f64_vec().unwrap(), &fresh.to_f64_vec().unwrap(), 1e-4);
}

#[test]
fn either_tile_makes_the_same_sums() {
    let tensors = samples::inputs(&case([1, 2, 75, 37, 70], DType::F32, "gated")).unwrap();
    for device in [Device::Emulated, Device::Cuda(0), Device::Metal(0)] {
        let Ok(stream) = tilewright_gpu::stream(device) else { continue };
        let there: Vec<Tensor> = tensors.iter().map(|tensor| tensor.to(&stream).unwrap()).collect();
        let (x, state) = registry::inputs("test", &there).unwrap();
        let [small, large] = [32, 64].map(|tile| {
            let args = MlstmChunkwise { tile: Some(tile), ..chunks(Mlstm::default(), 70) };
            let (h, last) = mlstm_chunkwise(&stream, &x, state.as_ref(), &args).unwrap();
            [h, last.c, last.n, last.m].map(|part| part.to_bytes().unwrap())
        });
        assert!(small == large, "{device}");
    }
}

#[test]
fn the_tile_suits_the_sizes() {
    // The emulator has one multiprocessor.
    let tile = |extents, matrices| suited_tile(Device::Emulated, extents, matrices).unwrap();
    assert_eq!([tile([33, 33], 9), tile([64, 512], 9), tile([32, 32], 1), tile([64, 64], 0)], [64; 4]);
    assert_eq!([tile([32, 512], 9), tile([512, 32], 9), tile([1, 1], 2), tile([1, 65], 1)], [32; 4]);
    let support = |tile| {
        let args = MlstmChunkwise { tile, ..MlstmChunkwise::default() };
        super::support(Device::Emulated, &registry::sizes(&case([1; 5], DType::F32, "")), DType::F32, &args)
    };
    assert_eq!(support(Some(32)).unwrap(), ["portable"]);
    assert_eq!([None, Some(64)].map(|tile| support(tile).unwrap()), [["portable", "simdgroup"]; 2]);
}

#[test]
fn a_tile_is_one_of_two() {
    let tensors = samples::inputs(&case([1, 1, 2, 3, 4], DType::F32, "state")).unwrap();
    let (x, state) = registry::inputs("test", &tensors).unwrap();
    let run = |tile| {
        let args = MlstmChunkwise { tile: Some(tile), ..MlstmChunkwise::default() };
        mlstm_chunkwise(&Stream::cpu(), &x, state.as_ref(), &args)
    };
    // The CPU has no tiles, and refuses what is none.
    assert!(run(32).is_ok() && run(64).is_ok());
    assert_eq!(run(48).unwrap_err().to_string(), "mlstm_chunkwise: tile is 48, expected 32 or 64");
}

#[test]
fn a_chunk_has_a_token() {
    let tensors = samples::inputs(&case([1, 1, 2, 3, 4], DType::F32, "state")).unwrap();
    let (x, state) = registry::inputs("test", &tensors).unwrap();
    let args = MlstmChunkwise { chunk: Some(0), ..MlstmChunkwise::default() };
    let error = mlstm_chunkwise(&Stream::cpu(), &x, state.as_ref(), &args).unwrap_err();
    assert_eq!(error.to_string(), "mlstm_chunkwise: chunk is 0, expected at least 1");
}

#[test]
fn c_of_bf16_is_for_the_recurrent_forms() {
    let tensors = samples::inputs(&case([1, 1, 2, 3, 4], DType::F32, "state_bf16_c")).unwrap();
    let (x, state) = registry::inputs("test", &tensors).unwrap();
    let error = mlstm_chunkwise(&Stream::cpu(), &x, state.as_ref(), &MlstmChunkwise::default()).unwrap_err();
    assert_eq!(error.to_string(), "mlstm_chunkwise: c has dtype bf16, expected f32");
}
