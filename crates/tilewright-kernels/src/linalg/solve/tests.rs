//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::solve;

fn numbers(elements: usize) -> Vec<f64> {
    (0..elements as u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761) >> 8) / 8_388_608.0 - 1.0).collect()
}

#[test]
fn whole_numbers_are_solved_exactly_whatever_the_order_of_rows() {
    // A permuted triangle of powers of two: every operation is exact.
    for n in [6, 30, 90] {
        let row = |i: usize| (i * 7 + 3) % n;
        let mut a = vec![0.0f64; n * n];
        for i in 0..n {
            a[row(i) * n + i] = 4.0;
            if i + 1 < n {
                a[row(i) * n + i + 1] = 2.0;
            }
        }
        let x: Vec<f64> = (0..n).map(|i| (i % 5) as f64 - 2.0).collect();
        let b: Vec<f64> = (0..n).map(|i| (0..n).map(|j| a[i * n + j] * x[j]).sum()).collect();
        for batch in [1, 9] {
            let a = Tensor::from_slice(&a, [n, n]).unwrap().broadcast_to([batch, n, n]).unwrap();
            let b = Tensor::from_slice(&b, [n]).unwrap().broadcast_to([batch, n]).unwrap();
            let solved = solve(&Stream::cpu(), &a, &b).unwrap().checked().unwrap();
            assert_eq!(solved.to_vec::<f64>().unwrap(), x.repeat(batch), "n {n}, batch {batch}");
        }
    }
}

#[test]
fn a_singular_matrix_does_not_touch_the_others() {
    let (n, batch) = (5, 11);
    let mut values = numbers(batch * n * n);
    values[3 * n * n..4 * n * n].fill(0.0);
    let a = Tensor::from_vec(values, [batch, n, n]).unwrap();
    let b = Tensor::from_vec(numbers(batch * n), [batch, n]).unwrap();
    let solution = solve(&Stream::cpu(), &a, &b).unwrap();
    for item in 0..batch {
        let x = solution.x.select(0, item).unwrap().to_vec::<f64>().unwrap();
        assert!(x.iter().all(|x| x.is_nan() == (item == 3)));
    }
    assert!(solution.checked().unwrap_err().to_string().contains("matrix 3 is singular at 0"));
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape).unwrap();
    let error = |a: &Tensor, b: &Tensor| solve(&Stream::cpu(), a, b).unwrap_err().to_string();
    assert!(error(&zeros(&[2, 3]), &zeros(&[2])).contains("a has shape [2, 3], expected [.., n, n]"));
    assert!(error(&zeros(&[3, 3]), &zeros(&[2])).contains("b has shape [2], expected [3] or [3, k]"));
}
