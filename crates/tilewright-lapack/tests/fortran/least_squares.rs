use super::fortran::*;

const SHAPES: [[usize; 2]; 6] = [[1, 1], [9, 4], [4, 9], [6, 6], [70, 33], [33, 70]];

/// Right-hand sides of `rows`, with room for `all` rows.
fn sides(rows: usize, all: usize) -> Matrix {
    let b = Matrix::random(rows, 2, 2);
    Matrix::from_fn(all, 2, |i, j| if i < rows { b.at(i, j) } else { -1.0 })
}

/// That x is the least-squares solution: the residual is orthogonal to the columns, x to the null space. Gives the residual.
#[track_caller]
fn judge(a: &Matrix, b: &Matrix, x: &Matrix) -> Matrix {
    let product = a.times(x);
    let residual = Matrix::from_fn(a.m, x.n, |i, j| b.at(i, j) - product.at(i, j));
    let gradient = a.transposed().times(&residual);
    assert!(gradient.largest() < 1e-11 * (a.m + a.n) as f64, "{}", gradient.largest());
    residual
}

#[test]
fn full_rank_either_way() {
    for [m, n] in SHAPES {
        for turn in [false, true] {
            let (a, t) = (Matrix::random(m, n, 1), if turn { b'T' } else { b'N' });
            let op = if turn { a.transposed() } else { a.clone() };
            let b = sides(op.m, m.max(n));
            let (mut x, mut copy, mut info) = (b.clone(), a.clone(), 9);
            let (lda, ldb) = (a.leading(), b.leading());
            let mut work = vec![0.0; 2 * (m + n)];
            // SAFETY: the arrays fit the extents.
            unsafe {
                dgels_(
                    &t,
                    &(m as i32),
                    &(n as i32),
                    &2,
                    copy.data.as_mut_ptr(),
                    &lda,
                    x.data.as_mut_ptr(),
                    &ldb,
                    work.as_mut_ptr(),
                    &(2 * (m + n) as i32),
                    &mut info,
                );
            }
            assert_eq!(info, 0);
            let residual = judge(&op, &b, &x.part(op.n, 2));
            if op.m <= op.n {
                assert!(residual.largest() < 1e-12 * (m + n) as f64);
            } else {
                // The rows below hold what no x reaches.
                let below = |j| (op.n..op.m).map(|i| x.at(i, j).powi(2)).sum::<f64>();
                let want = |j| (0..op.m).map(|i| residual.at(i, j).powi(2)).sum::<f64>();
                (0..2).for_each(|j| assert!((below(j) - want(j)).abs() < 1e-12 * want(j).max(1.0)));
            }
        }
    }
}

#[test]
fn any_rank_by_singular_values() {
    for [m, n] in SHAPES {
        let k = m.min(n);
        for rank in [k, k.div_ceil(2)] {
            let a = Matrix::random(m, rank, 1).times(&Matrix::random(rank, n, 3));
            let b = sides(m, m.max(n));
            let (mut x, mut copy, mut info, mut found) = (b.clone(), a.clone(), 9, -1);
            let (lda, ldb) = (a.leading(), b.leading());
            let (mut s, mut size, mut isize) = (vec![0.0; k], [0.0], [0]);
            let mut call = |work: &mut [f64], lwork: i32, iwork: &mut [i32]| {
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dgelsd_(
                        &(m as i32),
                        &(n as i32),
                        &2,
                        copy.data.as_mut_ptr(),
                        &lda,
                        x.data.as_mut_ptr(),
                        &ldb,
                        s.as_mut_ptr(),
                        &1e-10,
                        &mut found,
                        work.as_mut_ptr(),
                        &lwork,
                        iwork.as_mut_ptr(),
                        &mut info,
                    );
                }
                assert_eq!(info, 0);
            };
            call(&mut size, -1, &mut isize);
            call(&mut vec![0.0; size[0] as usize], size[0] as i32, &mut vec![0; isize[0] as usize]);
            assert_eq!(found as usize, rank);
            assert!(s.is_sorted_by(|x, y| x >= y));
            let x_of = x.part(n, 2);
            let residual = judge(&a, &b, &x_of);
            // Of least norm: it lies in the rows of a, so the least-squares y of aᵀ y = x has no residual.
            let norm = |x: &Matrix, j| (0..x.m).map(|i| x.at(i, j).powi(2)).sum::<f64>();
            if rank == n && m > n {
                for j in 0..2 {
                    let below = (n..m).map(|i| x.at(i, j).powi(2)).sum::<f64>();
                    assert!((below - norm(&residual, j)).abs() < 1e-12 * norm(&residual, j).max(1.0));
                }
            }
            let turned = a.transposed();
            let (mut y, mut copy, mut work) =
                (Matrix::zeros(m.max(n), 2), turned.clone(), vec![0.0; 9 * (m + n)]);
            (0..2).for_each(|j| (0..n).for_each(|i| y.data[i + j * (m.max(n) + 2)] = x.at(i, j)));
            let mut iwork = vec![0; 100 * k];
            // SAFETY: the arrays fit the extents.
            unsafe {
                dgelsd_(
                    &(n as i32),
                    &(m as i32),
                    &2,
                    copy.data.as_mut_ptr(),
                    &turned.leading(),
                    y.data.as_mut_ptr(),
                    &ldb,
                    s.as_mut_ptr(),
                    &1e-10,
                    &mut found,
                    work.as_mut_ptr(),
                    &(9 * (m + n) as i32),
                    iwork.as_mut_ptr(),
                    &mut info,
                );
            }
            turned.times(&y.part(m, 2)).assert_close(&x_of, 1e6);
        }
    }
}

#[test]
fn zeros_and_triangles_with_a_zero_are_as_lapack_says() {
    let (mut a, mut b, mut work, mut info) = (Matrix::zeros(3, 2), sides(3, 3), [0.0; 20], 9);
    // SAFETY: the arrays fit the extents.
    let mut call = |a: &mut Matrix, b: &mut Matrix| unsafe {
        let (a, b) = (a.data.as_mut_ptr(), b.data.as_mut_ptr());
        dgels_(b"N".as_ptr(), &3, &2, &2, a, &5, b, &5, work.as_mut_ptr(), &20, &mut info);
        info
    };
    assert_eq!(call(&mut a, &mut b), 0);
    b.assert_close(&Matrix::zeros(3, 2), 0.0);
    let mut a = Matrix::from_fn(3, 2, |i, j| f64::from(i == 0 && j == 0));
    assert_eq!(call(&mut a, &mut sides(3, 3)), 2);
    // Elements whose squares leave the range.
    for scale in [1e200, 1e-200] {
        let mut a = Matrix::from_fn(3, 2, |i, j| if i == j { scale } else { 0.0 });
        let mut b = Matrix::from_fn(3, 2, |i, _| scale * (i + 1) as f64);
        assert_eq!(call(&mut a, &mut b), 0);
        b.part(2, 2).assert_close(&Matrix::from_fn(2, 2, |i, _| (i + 1) as f64), 20.0);
    }
}

#[test]
fn what_counts_as_zero_is_rcond_or_a_rounding() {
    let unit = f64::EPSILON / 2.0;
    for (least, rcond, expected) in [
        (1.1 * unit, -1.0, 2),
        (0.9 * unit, -1.0, 1),
        (1.1 * unit, 0.0, 2),
        (0.9 * unit, 0.0, 1),
        (0.9 * unit, 1.0, 1),
        (0.6, 0.5, 2),
        (0.4, 0.5, 1),
    ] {
        let (mut a, mut b, mut s) = ([1.0, 0.0, 0.0, least], [1.0, 1.0], [0.0; 2]);
        let (mut work, mut iwork, mut rank, mut info) = ([0.0; 64], [0; 64], 9, 9);
        let [a_at, b_at, s_at, work_at] = [a.as_mut_ptr(), b.as_mut_ptr(), s.as_mut_ptr(), work.as_mut_ptr()];
        // SAFETY: the arrays fit the extents.
        unsafe {
            let (ints, rank) = (iwork.as_mut_ptr(), &mut rank);
            dgelsd_(&2, &2, &1, a_at, &2, b_at, &2, s_at, &rcond, rank, work_at, &64, ints, &mut info);
        }
        assert_eq!((info, rank), (0, expected), "{least} {rcond}");
    }
}
