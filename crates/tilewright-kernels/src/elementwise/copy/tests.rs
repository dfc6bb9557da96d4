//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor, with_element};

use super::{CopyTo, copy, copy_into, reference};

fn converted(x: &Tensor, to: DType) -> Vec<u8> {
    copy(&Stream::cpu(), x, &CopyTo { dtype: Some(to) }).unwrap().to_bytes().unwrap()
}

/// Every 8- and 16-bit pattern, to every dtype.
#[test]
fn small_formats_convert_exhaustively() {
    for from in DType::ALL.into_iter().filter(|from| from.size() <= 2) {
        let patterns = 1u64 << (8 * from.size());
        let bytes: Vec<u8> =
            (0..patterns).flat_map(|bits| bits.to_le_bytes().into_iter().take(from.size())).collect();
        let x = with_element!(from, T => {
            Tensor::from_vec::<T>(bytemuck::pod_collect_to_vec(&bytes), [patterns as usize]).unwrap()
        });
        for to in DType::ALL {
            let got = converted(&x, to);
            for (bits, got) in (0..patterns).zip(got.chunks(to.size())) {
                let expected = reference::convert(from, to, bits).to_le_bytes();
                assert_eq!(got, &expected[..to.size()], "{from} {bits:#x} to {to}");
            }
        }
    }
}

/// Tasks and tiles end somewhere: sizes around them, on the native path.
#[test]
fn parallel_boundaries_lose_nothing() {
    for (m, n) in [(1, (1 << 20) + 1), (1023, 1025), (64, 65), (129, 8), (300_001, 5)] {
        let elements: Vec<u32> = (0..(m * n) as u32).map(|i| i.wrapping_mul(2_654_435_761) >> 8).collect();
        let x = Tensor::from_vec(elements, [m, n]).unwrap();
        let turned = x.transpose().unwrap();
        for view in
            [x.clone(), turned.clone(), turned.slice(0, n / 3..n).unwrap(), x.slice(1, n / 2..n).unwrap()]
        {
            let same = copy(&Stream::cpu(), &view, &CopyTo::default()).unwrap();
            assert_eq!(same.to_vec::<u32>().unwrap(), view.to_vec::<u32>().unwrap());
            let float = copy(&Stream::cpu(), &view, &CopyTo { dtype: Some(DType::F32) }).unwrap();
            let expected: Vec<f32> = view.to_vec::<u32>().unwrap().into_iter().map(|x| x as f32).collect();
            assert_eq!(float.to_vec::<f32>().unwrap(), expected);
        }
    }
}

#[test]
fn wrong_targets_are_named() {
    let x = Tensor::zeros(DType::F32, [2, 3]).unwrap();
    let into = |out: &mut Tensor| copy_into(&Stream::cpu(), &x, out).unwrap_err().to_string();
    let mut transposed = Tensor::zeros(DType::F32, [3, 2]).unwrap().transpose().unwrap();
    let mut shared = Tensor::zeros(DType::F32, [2, 3]).unwrap();
    let view = shared.clone();
    for (error, part) in [
        (into(&mut Tensor::zeros(DType::F32, [3, 2]).unwrap()), "out has shape [3, 2], expected [2, 3]"),
        (into(&mut transposed), "out: is written, so it must be row-major"),
        (into(&mut shared), "out: is written, but its memory is shared"),
    ] {
        assert!(error.contains(part), "{error}");
    }
    drop(view);
    copy_into(&Stream::cpu(), &x, &mut shared).unwrap();
}
