//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Norm, Order, norm};

fn of(x: &Tensor, order: Option<Order>, axes: Option<Vec<i64>>, keepdims: bool) -> Tensor {
    norm(&Stream::cpu(), x, &Norm { order, axes, keepdims }).unwrap()
}

#[test]
fn axes_are_those_of_numpy() {
    let x = Tensor::from_vec((0..24).map(f64::from).collect(), [2, 3, 4]).unwrap();
    let rows_first = of(&x, Some(Order::P(1.0)), Some(vec![0, 2]), false);
    // Sums down axis 0, the largest along axis 2: columns 3 of 0.. and 12.. .
    assert_eq!(rows_first.to_vec::<f64>().unwrap(), [18.0, 26.0, 34.0]);
    let columns_first = of(&x, Some(Order::P(1.0)), Some(vec![2, 0]), true);
    assert_eq!(columns_first.dims(), [1, 3, 1]);
    assert_eq!(columns_first.to_vec::<f64>().unwrap(), [54.0, 70.0, 86.0]);
    let all = of(&x, None, None, false);
    assert_eq!(all.dims(), [0usize; 0]);
    assert!((all.to_vec::<f64>().unwrap()[0] - 4324f64.sqrt()).abs() < 1e-12);
}

#[test]
fn of_a_number_it_is_its_absolute_value() {
    for (x, size) in [(-3.5, 3.5), (0.0, 0.0), (2.0, 2.0), (-1e300, 1e300), (-5e-324, 5e-324)] {
        for keepdims in [false, true] {
            let found = of(&Tensor::from_vec(vec![x], [0usize; 0]).unwrap(), None, None, keepdims);
            assert_eq!((found.dims(), found.to_vec::<f64>().unwrap()), (&[][..], vec![size]));
        }
    }
}

#[test]
fn of_nothing_it_is_zero_and_min_an_error() {
    let x = Tensor::zeros(DType::F32, [2, 0]).unwrap();
    assert_eq!(of(&x, None, Some(vec![1]), false).to_vec::<f32>().unwrap(), [0.0; 2]);
    let least = Norm { order: Some(Order::P(f64::NEG_INFINITY)), axes: Some(vec![1]), keepdims: false };
    assert!(norm(&Stream::cpu(), &x, &least).unwrap_err().to_string().contains("a is none"));
}

#[test]
fn wrong_arguments_are_named() {
    let x = Tensor::zeros(DType::F32, [2, 2, 2]).unwrap();
    let error = |order, axes: Option<Vec<i64>>| {
        norm(&Stream::cpu(), &x, &Norm { order, axes, keepdims: false }).unwrap_err().to_string()
    };
    assert!(error(None, Some(vec![3])).contains("axes is 3"));
    assert!(error(None, Some(vec![0, -3])).contains("two that differ"));
    assert!(error(Some(Order::P(1.0)), None).contains("axes is none"));
    assert!(error(Some(Order::P(3.0)), Some(vec![0, 1])).contains("order is P(3.0)"));
    assert!(error(Some(Order::Nuclear), Some(vec![0])).contains("order is Nuclear"));
    assert!("max".parse::<Order>().unwrap_err().to_string().contains("order is max"));
}
