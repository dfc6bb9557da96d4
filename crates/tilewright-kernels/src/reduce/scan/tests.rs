use tilewright_core::{DType, Stream, Tensor};

use super::{Scan, scan};

fn of(x: &Tensor, exclusive: bool, reverse: bool) -> Vec<i64> {
    scan(&Stream::cpu(), x, &Scan { axis: -1, exclusive, reverse }).unwrap().to_vec().unwrap()
}

#[test]
fn exclusive_is_inclusive_moved_by_one_and_reverse_is_the_mirror() {
    for n in [1usize, 2, 15, 16, 17, 1024, 1040, 70_001] {
        let terms: Vec<i64> = (0..n as i64).map(|j| j * j % 1009 - 500).collect();
        let mirror: Vec<i64> = terms.iter().rev().copied().collect();
        let (x, mirror) = (Tensor::from_vec(terms, [n]).unwrap(), Tensor::from_vec(mirror, [n]).unwrap());
        for reverse in [false, true] {
            let (inclusive, exclusive) = (of(&x, false, reverse), of(&x, true, reverse));
            let moved: Vec<i64> = match reverse {
                false => std::iter::once(0).chain(inclusive[..n - 1].iter().copied()).collect(),
                true => inclusive[1..].iter().copied().chain([0]).collect(),
            };
            assert_eq!(exclusive, moved, "{n} {reverse}");
            let mut mirrored = of(&mirror, false, !reverse);
            mirrored.reverse();
            assert_eq!(inclusive, mirrored, "{n} {reverse}");
        }
    }
}

#[test]
fn what_lies_beyond_does_not_matter() {
    let mut terms = vec![1.0f32; 5000];
    terms[3000] = f32::NAN;
    let x = Tensor::from_vec(terms, [5000]).unwrap();
    let sums = scan(&Stream::cpu(), &x, &Scan::default()).unwrap().to_vec::<f32>().unwrap();
    assert!(sums[..3000].iter().enumerate().all(|(j, &sum)| sum == j as f32 + 1.0));
    assert!(sums[3000..].iter().all(|sum| sum.is_nan()));
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let error = |x: &Tensor, axis| scan(&cpu, x, &Scan { axis, ..Scan::default() }).unwrap_err().to_string();
    let axis = error(&Tensor::zeros(DType::F32, [2, 3]).unwrap(), 2);
    assert!(axis.contains("scan: axis is 2, expected -2..2"), "{axis}");
    let dtype = error(&Tensor::zeros(DType::Bool, [2]).unwrap(), 0);
    assert!(dtype.contains("scan: x has dtype bool"), "{dtype}");
}
