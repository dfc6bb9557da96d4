//! The iteration, and where each matrix of the batch stops.

use tilewright_core::{Error, Result, Stream, Tensor};

use super::super::convert::dense;
use super::super::elementwise::{Step, elementwise};
use super::super::extents::Extents;
use super::super::norm::{Fold, vectors};
use super::super::normals::normals;
use super::super::{Qr, Svd, qr, svd};
use super::{FAILED, NAME, SHORT, SubspaceIteration};
use crate::gemm::{Matmul, matmul};

/// How a matrix came to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub(super) info: i32,
    pub(super) iterations: i32,
    pub(super) residual: f64,
}

/// u, s and vt, cut to the rank, of each matrix where it stopped. `a` is f32 or f64 and has elements, and the rank is not 0.
pub(super) fn iterate(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    args: &SubspaceIteration,
    tolerance: f64,
) -> Result<([Tensor; 3], Vec<Stop>)> {
    let (batches, width) = (extents.batches(), args.width(extents));
    let floor = SubspaceIteration::floor(a.dtype(), extents);
    let product = |x: &Tensor, y: &Tensor, args: Matmul| matmul(stream, x, y, None, &args);
    let (plain, left, right) = (
        Matmul::default(),
        Matmul { transpose_a: true, ..Matmul::default() },
        Matmul { transpose_b: true, ..Matmul::default() },
    );
    let factored = |x: &Tensor| {
        let found = qr(stream, x, &Qr::default()).map_err(|error| error.within(NAME))?;
        Ok::<_, Error>((found.q.expect("reduced factors have it"), found.r))
    };
    let weights = Tensor::from_f64(&[1.0, -1.0, 0.0, 0.0], a.dtype(), [4])?.to(stream)?;
    let mut p = factored(&normals(stream, args.seed, a.dtype(), &[extents.n, width])?)?.0;
    let mut stops: Vec<Option<Stop>> = vec![None; batches];
    let mut kept: Option<[Tensor; 3]> = None;
    for iteration in 1..=args.iterations {
        let (q, r) = factored(&product(a, &p, plain.clone())?)?;
        let small = svd(stream, &r, &Svd::default()).map_err(|error| error.within(NAME))?;
        let (w, xt) = (small.u.expect("asked for"), small.vt.expect("asked for"));
        // [.., m, w] and [.., w, n]
        let (u, vt) = (product(&q, &w, plain.clone())?, product(&xt, &p, right.clone())?);
        let back = product(&u, a, left.clone())?;
        let s = dense(stream, &small.s)?;
        let scaled = elementwise(stream, &vt, Step::RowsTimes(&s))?;
        let rest = elementwise(stream, &back, Step::Combined { weights: &weights, y: &scaled, z: &scaled })?;
        let lengths = vectors(stream, &rest, Fold::Root)?.to_f64_vec()?;
        let (values, info) = (s.to_f64_vec()?, small.info.to_vec::<i32>()?);
        let mut stopped = vec![false; batches];
        for item in 0..batches {
            if stops[item].is_some() {
                continue;
            }
            let residual = relative(&lengths[item * width..][..args.rank], values[item * width]);
            let residual = if residual <= floor { 0.0 } else { residual };
            let verdict = match info[item] {
                0 if residual <= tolerance => 0,
                0 if iteration < args.iterations => continue,
                0 => SHORT,
                _ => FAILED,
            };
            let residual = if verdict == FAILED { f64::NAN } else { residual };
            stops[item] = Some(Stop { info: verdict, iterations: iteration as i32, residual });
            stopped[item] = true;
        }
        if stopped.contains(&true) {
            let s = s.unsqueeze(s.rank() - 1)?;
            kept = Some(match kept {
                // Those that go on write over what is theirs when they stop.
                None => [u, s, vt],
                Some([own_u, own_s, own_vt]) => [
                    chosen(stream, &stopped, &own_u, &u)?,
                    chosen(stream, &stopped, &own_s, &s)?,
                    chosen(stream, &stopped, &own_vt, &vt)?,
                ],
            });
        }
        if stops.iter().all(Option::is_some) {
            break;
        }
        p = factored(&back.transpose()?)?.0;
    }
    let [u, s, vt] = kept.expect("all stop at the last iteration, of which there is one");
    let cut = |tensor: &Tensor, from_end: usize| tensor.slice(tensor.rank() - from_end, 0..args.rank);
    let s = s.reshape(extents.shape(&[width]))?;
    let stops = stops.into_iter().map(|stop| stop.expect("all stop at the last iteration")).collect();
    Ok(([cut(&u, 1)?, cut(&s, 1)?, cut(&vt, 2)?], stops))
}

/// The largest length over the largest value; of a matrix of zeros 0, and infinite where it cannot be told.
fn relative(lengths: &[f64], largest: f64) -> f64 {
    let length = lengths.iter().fold(0.0, |most, &x| if x > most || x.is_nan() { x } else { most });
    let residual = if length == 0.0 { 0.0 } else { length / largest };
    if residual.is_nan() { f64::INFINITY } else { residual }
}

/// The matrices of `new` where so, of `old` elsewhere.
fn chosen(stream: &Stream, new_ones: &[bool], old: &Tensor, new: &Tensor) -> Result<Tensor> {
    let rows = old.dims()[old.rank() - 2];
    let mask: Vec<f64> =
        new_ones.iter().flat_map(|&new| std::iter::repeat_n(f64::from(u8::from(new)), rows)).collect();
    let mask = Tensor::from_f64(&mask, old.dtype(), &old.dims()[..old.rank() - 1])?.to(stream)?;
    elementwise(stream, old, Step::Instead { s: &mask, above: 0, z: new })
}
