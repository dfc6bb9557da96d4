use super::fortran::*;

const SIZES: [[usize; 3]; 5] = [[1, 1, 1], [3, 2, 5], [7, 13, 4], [65, 33, 70], [9, 5, 0]];

#[test]
fn gemm_in_all_transpositions_reads_nothing_of_c_where_beta_is_zero() {
    for [m, n, k] in SIZES {
        for (ta, tb) in [(b'N', b'N'), (b't', b'n'), (b'N', b'T'), (b'c', b'C')] {
            let (turn_a, turn_b) = (!ta.eq_ignore_ascii_case(&b'N'), !tb.eq_ignore_ascii_case(&b'N'));
            let a = if turn_a { Matrix::random(k, m, 1) } else { Matrix::random(m, k, 1) };
            let b = if turn_b { Matrix::random(n, k, 2) } else { Matrix::random(k, n, 2) };
            let before = Matrix::random(m, n, 3);
            let op = |a: &Matrix, turn| if turn { a.transposed() } else { a.clone() };
            let product = op(&a, turn_a).times(&op(&b, turn_b));
            for (alpha, beta) in [(1.0, 0.0), (-0.5, 1.0), (2.0, 0.25), (0.0, 0.5)] {
                let mut c = if beta == 0.0 { Matrix::from_fn(m, n, |_, _| f64::NAN) } else { before.clone() };
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dgemm_(
                        &ta,
                        &tb,
                        &(m as i32),
                        &(n as i32),
                        &(k as i32),
                        &alpha,
                        a.data.as_ptr(),
                        &a.leading(),
                        b.data.as_ptr(),
                        &b.leading(),
                        &beta,
                        c.data.as_mut_ptr(),
                        &c.leading(),
                    );
                }
                let old = |i, j| if beta == 0.0 { 0.0 } else { beta * before.at(i, j) };
                let want = Matrix::from_fn(m, n, |i, j| alpha * product.at(i, j) + old(i, j));
                c.assert_close(&want, 4.0 * (k + 2) as f64);
            }
        }
    }
}

#[test]
fn the_names_of_other_widths_and_orders_do_the_same() {
    let (m, n, k) = (4, 3, 5);
    let (a, b) = (Matrix::random(m, k, 1), Matrix::random(k, n, 2));
    let want = a.times(&b);
    let mut c = Matrix::zeros(m, n);
    let before = calls(c"dgemm");
    // SAFETY: the arrays fit the extents.
    unsafe {
        scipy_dgemm_64_(
            b"N".as_ptr(),
            b"N".as_ptr(),
            &4,
            &3,
            &5,
            &1.0,
            a.data.as_ptr(),
            &6,
            b.data.as_ptr(),
            &7,
            &0.0,
            c.data.as_mut_ptr(),
            &6,
        );
    }
    c.assert_close(&want, 20.0);
    assert!(calls(c"dgemm") > before, "the call is counted");
    assert_eq!(calls(c"dnothing"), 0);
    let single = |a: &Matrix| a.data.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let (mut c, a_single, b_single) = (vec![0f32; 18], single(&a), single(&b));
    // SAFETY: the arrays fit the extents.
    unsafe {
        sgemm_(
            b"N".as_ptr(),
            b"N".as_ptr(),
            &4,
            &3,
            &5,
            &1.0,
            a_single.as_ptr(),
            &6,
            b_single.as_ptr(),
            &7,
            &0.0,
            c.as_mut_ptr(),
            &6,
        );
    }
    for (e, &got) in c.iter().enumerate().filter(|(e, _)| e % 6 < m) {
        assert!((f64::from(got) - want.at(e % 6, e / 6)).abs() < 1e-5);
    }
    // A row-major matrix is the column-major transpose.
    let (at, bt) = (a.transposed(), b.transposed());
    for (ta, a, lda) in [(111, &at, 7), (112, &a, 6)] {
        for (tb, b, ldb) in [(111, &bt, 5), (112, &b, 7)] {
            let mut c = Matrix::zeros(n, m);
            // SAFETY: the arrays fit the extents.
            unsafe {
                cblas_dgemm(
                    101,
                    ta,
                    tb,
                    4,
                    3,
                    5,
                    1.0,
                    a.data.as_ptr(),
                    lda,
                    b.data.as_ptr(),
                    ldb,
                    0.0,
                    c.data.as_mut_ptr(),
                    5,
                );
            }
            c.transposed().assert_close(&want, 20.0);
        }
    }
    let (x, mut y) = (Matrix::random(k, 1, 5), Matrix::zeros(m, 1));
    // SAFETY: the arrays fit the extents.
    unsafe {
        cblas_dgemv(101, 111, 4, 5, 1.0, at.data.as_ptr(), 7, x.data.as_ptr(), 1, 0.0, y.data.as_mut_ptr(), 1)
    }
    y.assert_close(&a.times(&x), 20.0);
    let mut c = Matrix::zeros(m, m);
    // SAFETY: the arrays fit the extents.
    unsafe { cblas_dsyrk(101, 121, 111, 4, 5, 1.0, at.data.as_ptr(), 7, 0.0, c.data.as_mut_ptr(), 6) }
    c.transposed().assert_close(&a.times(&a.transposed()).triangle(true, false), 20.0);
}

#[test]
fn symmetric_products_read_and_write_one_triangle() {
    for [n, k, _] in SIZES {
        for upper in [false, true] {
            let flag = if upper { b'U' } else { b'L' };
            for turn in [false, true] {
                let t = if turn { b'T' } else { b'N' };
                let shape = |seed| if turn { Matrix::random(k, n, seed) } else { Matrix::random(n, k, seed) };
                let (a, b, before) = (shape(1), shape(2), Matrix::random(n, n, 3));
                let op = |a: &Matrix| if turn { a.transposed() } else { a.clone() };
                let (x, y) = (op(&a), op(&b));
                let (square, mixed) = (x.times(&x.transposed()), x.times(&y.transposed()));
                let inside = |i: usize, j: usize| i == j || (i < j) == upper;
                let (mut c, mut d) = (before.clone(), before.clone());
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dsyrk_(
                        &flag,
                        &t,
                        &(n as i32),
                        &(k as i32),
                        &0.5,
                        a.data.as_ptr(),
                        &a.leading(),
                        &2.0,
                        c.data.as_mut_ptr(),
                        &c.leading(),
                    );
                    dsyr2k_(
                        &flag,
                        &t,
                        &(n as i32),
                        &(k as i32),
                        &0.5,
                        a.data.as_ptr(),
                        &a.leading(),
                        b.data.as_ptr(),
                        &b.leading(),
                        &0.0,
                        d.data.as_mut_ptr(),
                        &d.leading(),
                    );
                }
                let merged = |new: &dyn Fn(usize, usize) -> f64| {
                    Matrix::from_fn(n, n, |i, j| if inside(i, j) { new(i, j) } else { before.at(i, j) })
                };
                let want = merged(&|i, j| 0.5 * square.at(i, j) + 2.0 * before.at(i, j));
                c.assert_close(&want, 8.0 * (k + 2) as f64);
                d.assert_close(
                    &merged(&|i, j| 0.5 * (mixed.at(i, j) + mixed.at(j, i))),
                    8.0 * (k + 2) as f64,
                );
            }
            // The other triangle is poison.
            let full = Matrix::positive(n, 4);
            let half = Matrix::from_fn(n, n, |i, j| match i == j || (i < j) == upper {
                true => full.at(i, j),
                false => f64::NAN,
            });
            for right in [false, true] {
                let b = if right { Matrix::random(k, n, 5) } else { Matrix::random(n, k, 5) };
                let mut c = Matrix::zeros(b.m, b.n);
                let side = if right { b'R' } else { b'L' };
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dsymm_(
                        &side,
                        &flag,
                        &(b.m as i32),
                        &(b.n as i32),
                        &1.0,
                        half.data.as_ptr(),
                        &half.leading(),
                        b.data.as_ptr(),
                        &b.leading(),
                        &0.0,
                        c.data.as_mut_ptr(),
                        &c.leading(),
                    );
                }
                c.assert_close(&if right { b.times(&full) } else { full.times(&b) }, 8.0 * (n + 2) as f64);
            }
            let (x, mut y) = (Matrix::random(n, 1, 6), Matrix::zeros(n, 1));
            // SAFETY: the arrays fit the extents.
            unsafe {
                dsymv_(
                    &flag,
                    &(n as i32),
                    &1.0,
                    half.data.as_ptr(),
                    &half.leading(),
                    x.data.as_ptr(),
                    &1,
                    &0.0,
                    y.data.as_mut_ptr(),
                    &1,
                );
            }
            y.assert_close(&full.times(&x), 8.0 * (n + 2) as f64);
        }
    }
}

#[test]
fn triangles_multiply_and_solve_from_either_side() {
    for [n, k, _] in SIZES {
        for case in 0..16 {
            let [right, upper, turn, unit] = [0, 1, 2, 3].map(|bit| case >> bit & 1 == 1);
            let flags = [
                if right { b'R' } else { b'L' },
                if upper { b'U' } else { b'L' },
                if turn { b'T' } else { b'N' },
                if unit { b'U' } else { b'N' },
            ];
            let random = Matrix::random(n, n, 1);
            // Well conditioned; the diagonal of a unit triangle, and the other triangle, are poison.
            let small = Matrix::from_fn(n, n, |i, j| match i == j {
                true => 2.0 + random.at(i, j),
                false => random.at(i, j) / n as f64,
            });
            let a = Matrix::from_fn(n, n, |i, j| match () {
                () if i == j => {
                    if unit {
                        f64::NAN
                    } else {
                        small.at(i, j)
                    }
                }
                () if (i < j) == upper => small.at(i, j),
                () => f64::NAN,
            });
            let full = small.triangle(upper, unit);
            let full = if turn { full.transposed() } else { full };
            let x = if right { Matrix::random(k, n, 2) } else { Matrix::random(n, k, 2) };
            let mut b = x.clone();
            let (m_of, n_of) = (b.m as i32, b.n as i32);
            // SAFETY: the arrays fit the extents.
            unsafe {
                let [side, uplo, t, diag] = &flags;
                let (a, lda, ldb) = (a.data.as_ptr(), &a.leading(), &b.leading());
                dtrmm_(side, uplo, t, diag, &m_of, &n_of, &2.0, a, lda, b.data.as_mut_ptr(), ldb);
                let product = if right { x.times(&full) } else { full.times(&x) };
                let twice = Matrix::from_fn(x.m, x.n, |i, j| 2.0 * product.at(i, j));
                b.assert_close(&twice, 8.0 * (n + 2) as f64);
                dtrsm_(side, uplo, t, diag, &m_of, &n_of, &0.5, a, lda, b.data.as_mut_ptr(), ldb);
                b.assert_close(&x, 40.0 * (n + 2) as f64);
                // A vector, backwards and with a gap.
                let vector = Matrix::random(n, 1, 3);
                let mut spread: Vec<f64> = vec![PADDING; 2 * n];
                (0..n).for_each(|i| spread[2 * (n - 1 - i)] = vector.at(i, 0));
                dtrmv_(uplo, t, diag, &(n as i32), a, lda, spread.as_mut_ptr(), &-2);
                let want = full.times(&vector);
                let got = Matrix::from_fn(n, 1, |i, _| spread[2 * (n - 1 - i)]);
                got.assert_close(&want, 8.0 * (n + 2) as f64);
                dtrsv_(uplo, t, diag, &(n as i32), a, lda, spread.as_mut_ptr(), &-2);
                Matrix::from_fn(n, 1, |i, _| spread[2 * (n - 1 - i)])
                    .assert_close(&vector, 40.0 * (n + 2) as f64);
                assert!(spread.iter().skip(1).step_by(2).all(|&x| x == PADDING));
            }
        }
    }
}

#[test]
fn vectors_take_increments_of_either_sign() {
    let x = [1.0, -2.0, 3.0, -4.0, 5.0, 6.0];
    let y = [2.0, 0.5, -1.0, 1.0, 1.0, 1.0];
    // SAFETY: the arrays fit the extents.
    unsafe {
        assert_eq!(ddot_(&3, x.as_ptr(), &2, y.as_ptr(), &1), 2.0 + 1.5 - 5.0);
        assert_eq!(ddot_(&3, x.as_ptr(), &-2, y.as_ptr(), &1), 10.0 + 1.5 - 1.0);
        assert_eq!(ddot_(&0, x.as_ptr(), &1, y.as_ptr(), &1), 0.0);
        assert_eq!(dasum_(&3, x.as_ptr(), &2), 9.0);
        assert_eq!(idamax_(&5, x.as_ptr(), &1), 5);
        assert_eq!(idamax_(&0, x.as_ptr(), &1), 0);
        assert_eq!(dnrm2_(&2, [3.0, 4.0].as_ptr(), &1), 5.0);
        assert_eq!(dnrm2_(&2, [3e300, 4e300].as_ptr(), &1), 5e300);
        assert!((dnrm2_(&2, [3e-320, 4e-320].as_ptr(), &1) - 5e-320).abs() < 1e-322);
        assert!(dnrm2_(&2, [f64::NAN, 1.0].as_ptr(), &1).is_nan());
        assert_eq!(dnrm2_(&2, [f64::INFINITY, 1.0].as_ptr(), &1), f64::INFINITY);
        let mut z = y;
        daxpy_(&3, &2.0, x.as_ptr(), &1, z.as_mut_ptr(), &-1);
        assert_eq!(z, [8.0, -3.5, 1.0, 1.0, 1.0, 1.0]);
        dcopy_(&3, x.as_ptr(), &0, z.as_mut_ptr(), &2);
        assert_eq!(z, [1.0, -3.5, 1.0, 1.0, 1.0, 1.0]);
        // a = [1 3; -2 -4] by columns.
        let mut w = [1.0, 1.0];
        dgemv_(b"T".as_ptr(), &2, &2, &1.0, x.as_ptr(), &2, y.as_ptr(), &1, &-1.0, w.as_mut_ptr(), &-1);
        assert_eq!(w, [3.0, 0.0]);
        let mut a = [0.0; 4];
        dger_(&2, &2, &1.0, x.as_ptr(), &1, y.as_ptr(), &1, a.as_mut_ptr(), &2);
        assert_eq!(a, [2.0, -4.0, 0.5, -1.0]);
    }
}
