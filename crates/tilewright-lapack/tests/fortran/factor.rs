use super::fortran::*;

const SIZES: [usize; 6] = [1, 2, 7, 33, 64, 130];

fn pivoted(a: &Matrix) -> (Matrix, Vec<i32>, i32) {
    let (mut lu, mut ipiv, mut info) = (a.clone(), vec![0; a.m.min(a.n)], 9);
    // SAFETY: the arrays fit the extents.
    unsafe {
        dgetrf_(
            &(a.m as i32),
            &(a.n as i32),
            lu.data.as_mut_ptr(),
            &lu.leading(),
            ipiv.as_mut_ptr(),
            &mut info,
        );
    }
    (lu, ipiv, info)
}

#[test]
fn lu_of_any_shape_multiplies_back_and_laswp_undoes_its_exchanges() {
    for [m, n] in [[1, 1], [5, 5], [40, 17], [17, 40], [130, 130]] {
        let a = Matrix::random(m, n, 1);
        let (lu, ipiv, info) = pivoted(&a);
        assert_eq!(info, 0);
        let k = m.min(n);
        let l = Matrix::from_fn(m, k, |i, j| if i > j { lu.at(i, j) } else { f64::from(i == j) });
        let u = Matrix::from_fn(k, n, |i, j| if i <= j { lu.at(i, j) } else { 0.0 });
        assert!(l.largest() <= 1.0);
        let mut product = l.times(&u);
        let (n_of, k_of) = (n as i32, k as i32);
        let ld = product.leading();
        // SAFETY: the arrays fit the extents.
        unsafe {
            dlaswp_(&n_of, product.data.as_mut_ptr(), &ld, &1, &k_of, ipiv.as_ptr(), &-1);
            product.assert_close(&a, 4.0 * k as f64);
            dlaswp_(&n_of, product.data.as_mut_ptr(), &ld, &1, &k_of, ipiv.as_ptr(), &1);
        }
        product.assert_close(&l.times(&u), 1.0);
    }
}

#[test]
fn systems_are_solved_either_way_and_inverted() {
    for n in SIZES {
        let a = Matrix::random(n, n, 2);
        let x = Matrix::random(n, 3, 3);
        let (n_of, mut info) = (n as i32, 9);
        let (lu, mut ipiv, _) = pivoted(&a);
        for turn in [false, true] {
            let mut b = if turn { a.transposed().times(&x) } else { a.times(&x) };
            let t = if turn { b'T' } else { b'N' };
            // SAFETY: the arrays fit the extents.
            unsafe {
                dgetrs_(
                    &t,
                    &n_of,
                    &3,
                    lu.data.as_ptr(),
                    &lu.leading(),
                    ipiv.as_ptr(),
                    b.data.as_mut_ptr(),
                    &b.leading(),
                    &mut info,
                );
            }
            assert_eq!(info, 0);
            b.assert_close(&x, 1e5);
        }
        let (mut b, mut lu2) = (a.times(&x), a.clone());
        let mut inverse = lu.clone();
        let (ldb, lda) = (b.leading(), lu.leading());
        let mut work = vec![0.0; n];
        // SAFETY: the arrays fit the extents.
        unsafe {
            dgesv_(
                &n_of,
                &3,
                lu2.data.as_mut_ptr(),
                &lda,
                ipiv.as_mut_ptr(),
                b.data.as_mut_ptr(),
                &ldb,
                &mut info,
            );
            assert_eq!(info, 0);
            dgetri_(
                &n_of,
                inverse.data.as_mut_ptr(),
                &lda,
                ipiv.as_ptr(),
                work.as_mut_ptr(),
                &n_of,
                &mut info,
            );
            assert_eq!(info, 0);
        }
        assert_eq!(lu2, lu);
        b.assert_close(&x, 1e5);
        a.times(&inverse).assert_close(&Matrix::identity(n), 1e5);
    }
}

#[test]
fn a_pivot_of_zero_is_named_and_leaves_the_inverse_undone() {
    // The second column is twice the first.
    let a =
        Matrix::from_fn(3, 3, |i, j| [1.0, 2.0, 5.0][j] * [4.0, 2.0, 1.0][i] + f64::from(i == 2 && j == 2));
    let (lu, mut ipiv, info) = pivoted(&a);
    assert_eq!(info, 2);
    let (mut inverse, mut info, mut work) = (lu.clone(), 0, [0.0; 3]);
    let mut b = Matrix::random(3, 1, 1);
    let before = b.clone();
    let mut a2 = a.clone();
    // SAFETY: the arrays fit the extents.
    unsafe {
        dgetri_(&3, inverse.data.as_mut_ptr(), &5, ipiv.as_ptr(), work.as_mut_ptr(), &3, &mut info);
        assert_eq!((info, &inverse), (2, &lu));
        dgesv_(&3, &1, a2.data.as_mut_ptr(), &5, ipiv.as_mut_ptr(), b.data.as_mut_ptr(), &5, &mut info);
    }
    assert_eq!((info, b), (2, before));
}

#[test]
fn condition_estimates_are_within_a_factor_of_the_truth() {
    for n in SIZES {
        let a = Matrix::random(n, n, 7);
        let (lu, ipiv, _) = pivoted(&a);
        let (n_of, lda) = (n as i32, lu.leading());
        let (mut inverse, mut work, mut iwork) = (lu.clone(), vec![0.0; 4 * n], vec![0; n]);
        let (mut rcond, mut info) = (0.0, 9);
        for norm in *b"1I" {
            // SAFETY: the arrays fit the extents.
            let exact = unsafe {
                let anorm = dlange_(&norm, &n_of, &n_of, a.data.as_ptr(), &lda, work.as_mut_ptr());
                dgecon_(
                    &norm,
                    &n_of,
                    lu.data.as_ptr(),
                    &lda,
                    &anorm,
                    &mut rcond,
                    work.as_mut_ptr(),
                    iwork.as_mut_ptr(),
                    &mut info,
                );
                assert_eq!(info, 0);
                inverse.clone_from(&lu);
                dgetri_(
                    &n_of,
                    inverse.data.as_mut_ptr(),
                    &lda,
                    ipiv.as_ptr(),
                    work.as_mut_ptr(),
                    &n_of,
                    &mut info,
                );
                1.0 / anorm / dlange_(&norm, &n_of, &n_of, inverse.data.as_ptr(), &lda, work.as_mut_ptr())
            };
            // The estimate of the inverse's norm is a lower bound.
            assert!(rcond >= exact * (1.0 - 1e-10) && rcond <= 4.0 * exact, "{n}: {rcond} is not {exact}");
        }
    }
}

#[test]
fn a_norm_that_is_no_number_is_passed_on_and_named() {
    let a = Matrix::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 0.0 });
    let (mut work, mut iwork) = (vec![0.0; 8], vec![0; 2]);
    let mut of = |anorm: f64| {
        let (mut rcond, mut info) = (-1.0, 9);
        // SAFETY: the arrays fit the extents.
        unsafe {
            dgecon_(
                b"1".as_ptr(),
                &2,
                a.data.as_ptr(),
                &a.leading(),
                &anorm,
                &mut rcond,
                work.as_mut_ptr(),
                iwork.as_mut_ptr(),
                &mut info,
            );
        }
        (rcond, info)
    };
    let (rcond, info) = of(f64::NAN);
    assert!(rcond.is_nan() && info == -5);
    assert_eq!(of(f64::INFINITY), (0.0, -5));
    assert_eq!(of(0.0), (0.0, 0));
    assert_eq!(of(1.0), (1.0, 0));
}

#[test]
fn norms_are_those_of_their_names() {
    let a = Matrix::from_fn(2, 3, |i, j| [[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]][i][j]);
    // SAFETY: the arrays fit the extents.
    let norm = |letter: u8| unsafe { dlange_(&letter, &2, &3, a.data.as_ptr(), &4, std::ptr::null_mut()) };
    assert_eq!((norm(b'm'), norm(b'o'), norm(b'1'), norm(b'I')), (6.0, 9.0, 9.0, 15.0));
    assert!((norm(b'F') - 91f64.sqrt()).abs() < 1e-14);
    assert_eq!(norm(b'E'), norm(b'F'));
}

#[test]
fn triangles_are_inverted_in_place_and_singular_ones_named() {
    for n in SIZES {
        for case in 0..4 {
            let (upper, unit) = (case & 1 == 1, case & 2 == 2);
            let [uplo, diag] = [if upper { b'U' } else { b'L' }, if unit { b'U' } else { b'N' }];
            let random = Matrix::random(n, n, 3);
            let a = Matrix::from_fn(n, n, |i, j| match i == j {
                true => 2.0 + random.at(i, j),
                false => random.at(i, j) / n as f64,
            });
            let (mut inverse, mut info) = (a.clone(), 9);
            // SAFETY: the arrays fit the extents.
            unsafe {
                dtrtri_(&uplo, &diag, &(n as i32), inverse.data.as_mut_ptr(), &a.leading(), &mut info);
            }
            assert_eq!(info, 0);
            let product = a.triangle(upper, unit).times(&inverse.triangle(upper, unit));
            product.assert_close(&Matrix::identity(n), 100.0 * n as f64);
            let outside = |i: usize, j: usize| if i == j { unit } else { (i < j) != upper };
            for j in 0..n {
                (0..n).filter(|&i| outside(i, j)).for_each(|i| assert_eq!(inverse.at(i, j), a.at(i, j)));
            }
        }
    }
    let (mut a, mut info) = (Matrix::identity(3), 0);
    a.data[5 + 1] = 0.0;
    let mut b = Matrix::random(3, 1, 1);
    // SAFETY: the arrays fit the extents.
    unsafe {
        dtrtri_(b"U".as_ptr(), b"N".as_ptr(), &3, a.data.as_mut_ptr(), &5, &mut info);
        assert_eq!(info, 2);
        let flags = [b"U".as_ptr(), b"N".as_ptr(), b"N".as_ptr()];
        let data = a.data.as_ptr();
        dtrtrs_(flags[0], flags[1], flags[2], &3, &1, data, &5, b.data.as_mut_ptr(), &5, &mut info);
    }
    assert_eq!(info, 2);
}

#[test]
fn cholesky_keeps_to_its_triangle() {
    for n in SIZES {
        let a = Matrix::positive(n, 5);
        let x = Matrix::random(n, 2, 6);
        for upper in [false, true] {
            let uplo = if upper { b'U' } else { b'L' };
            let inside = |i: usize, j: usize| i == j || (i < j) == upper;
            let half = Matrix::from_fn(n, n, |i, j| if inside(i, j) { a.at(i, j) } else { -3.0 });
            let (mut factor, mut b, mut info) = (half.clone(), a.times(&x), 9);
            let (n_of, lda, ldb) = (n as i32, a.leading(), b.leading());
            // SAFETY: the arrays fit the extents.
            unsafe {
                dpotrf_(&uplo, &n_of, factor.data.as_mut_ptr(), &lda, &mut info);
                assert_eq!(info, 0);
                let data = factor.data.as_ptr();
                dpotrs_(&uplo, &n_of, &2, data, &lda, b.data.as_mut_ptr(), &ldb, &mut info);
                b.assert_close(&x, 1e5);
                let (mut again, mut b) = (half.clone(), a.times(&x));
                let data = again.data.as_mut_ptr();
                dposv_(&uplo, &n_of, &2, data, &lda, b.data.as_mut_ptr(), &ldb, &mut info);
                assert_eq!(again, factor);
                b.assert_close(&x, 1e5);
                let l = factor.triangle(upper, false);
                let product = if upper { l.transposed().times(&l) } else { l.times(&l.transposed()) };
                product.assert_close(&a, 8.0 * n as f64);
                dpotri_(&uplo, &n_of, factor.data.as_mut_ptr(), &lda, &mut info);
                assert_eq!(info, 0);
            }
            for j in 0..n {
                (0..n).filter(|&i| !inside(i, j)).for_each(|i| assert_eq!(factor.at(i, j), -3.0));
            }
            let inverse = |i, j| if inside(i, j) { factor.at(i, j) } else { factor.at(j, i) };
            a.times(&Matrix::from_fn(n, n, inverse)).assert_close(&Matrix::identity(n), 1e4 * n as f64);
        }
    }
}

#[test]
fn cholesky_names_the_minor_that_is_not_positive_and_leaves_the_factor_before_it() {
    for n in [5, 90] {
        for k in [0, 3, n - 1] {
            for (upper, value) in [(false, -1.0), (true, f64::NAN)] {
                let a = Matrix::positive(n, 8);
                let spoilt = |i, j| if i == k && j == k { value } else { a.at(i, j) };
                let mut factor = Matrix::from_fn(n, n, spoilt);
                let (mut whole, mut info) = (a.clone(), 0);
                let uplo = if upper { b'U' } else { b'L' };
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dpotrf_(&uplo, &(n as i32), whole.data.as_mut_ptr(), &a.leading(), &mut info);
                    dpotrf_(&uplo, &(n as i32), factor.data.as_mut_ptr(), &a.leading(), &mut info);
                }
                assert_eq!(info, k as i32 + 1);
                let leading = factor.triangle(upper, false).part(k, k);
                leading.assert_close(&whole.triangle(upper, false).part(k, k), 1e4);
            }
        }
    }
}

#[test]
fn reflections_form_and_apply_the_same_q() {
    for [m, n] in [[1, 1], [6, 4], [4, 6], [70, 33], [33, 70]] {
        let (a, k) = (Matrix::random(m, n, 1), m.min(n));
        let (m_of, n_of, k_of) = (m as i32, n as i32, k as i32);
        let (mut qr, mut lq) = (a.clone(), a.clone());
        let (mut tau, mut tau_lq) = (vec![0.0; k], vec![0.0; k]);
        let (mut size, mut info) = (0.0, 9);
        let lda = a.leading();
        // SAFETY: the arrays fit the extents.
        unsafe {
            dgeqrf_(&m_of, &n_of, qr.data.as_mut_ptr(), &lda, tau.as_mut_ptr(), &mut size, &-1, &mut info);
            assert_eq!((info, &qr), (0, &a));
            assert!(size >= n as f64);
            let mut work = vec![0.0; 100];
            let (work, lwork) = (work.as_mut_ptr(), &100);
            dgeqrf_(&m_of, &n_of, qr.data.as_mut_ptr(), &lda, tau.as_mut_ptr(), work, lwork, &mut info);
            dgelqf_(&m_of, &n_of, lq.data.as_mut_ptr(), &lda, tau_lq.as_mut_ptr(), work, lwork, &mut info);
            let mut q = Matrix::from_fn(m, k, |i, j| qr.at(i, j));
            let ldq = q.leading();
            dorgqr_(&m_of, &k_of, &k_of, q.data.as_mut_ptr(), &ldq, tau.as_ptr(), work, lwork, &mut info);
            assert_eq!(info, 0);
            assert_orthonormal(&q);
            let r = Matrix::from_fn(k, n, |i, j| if i <= j { qr.at(i, j) } else { 0.0 });
            q.times(&r).assert_close(&a, 20.0 * m as f64);
            let mut rows = Matrix::from_fn(k, n, |i, j| lq.at(i, j));
            let ld = rows.leading();
            dorglq_(
                &k_of,
                &n_of,
                &k_of,
                rows.data.as_mut_ptr(),
                &ld,
                tau_lq.as_ptr(),
                work,
                lwork,
                &mut info,
            );
            assert_eq!(info, 0);
            assert_orthonormal(&rows.transposed());
            let l = Matrix::from_fn(m, k, |i, j| if i >= j { lq.at(i, j) } else { 0.0 });
            l.times(&rows).assert_close(&a, 20.0 * n as f64);
            // The whole q of either, by which random matrices are multiplied from all sides.
            for (by_rows, order, v, tau) in [(false, m, &qr, &tau), (true, n, &lq, &tau_lq)] {
                let apply = |side: u8, t: u8, c: &mut Matrix| {
                    let (m, n, ldc) = (c.m as i32, c.n as i32, c.leading());
                    let call = if by_rows { dormlq_ } else { dormqr_ };
                    let (v, c, mut info) = (v.data.as_ptr(), c.data.as_mut_ptr(), 9);
                    call(&side, &t, &m, &n, &k_of, v, &lda, tau.as_ptr(), c, &ldc, work, lwork, &mut info);
                    assert_eq!(info, 0);
                };
                let mut whole = Matrix::identity(order);
                apply(b'L', b'N', &mut whole);
                assert_orthonormal(&whole);
                let formed = if by_rows { rows.transposed() } else { q.clone() };
                let first = if by_rows { whole.transposed() } else { whole.clone() };
                first.part(order, k).assert_close(&formed, 20.0 * order as f64);
                for (side, t) in [(b'L', b'N'), (b'L', b'T'), (b'R', b'N'), (b'R', b'T')] {
                    let c =
                        if side == b'L' { Matrix::random(order, 5, 9) } else { Matrix::random(5, order, 9) };
                    let op = if t == b'T' { whole.transposed() } else { whole.clone() };
                    let want = if side == b'L' { op.times(&c) } else { c.times(&op) };
                    let mut got = c;
                    apply(side, t, &mut got);
                    got.assert_close(&want, 40.0 * order as f64);
                }
            }
        }
    }
}

/// Not ours, which are the identity there, but LAPACK's cosine-sine decomposition makes it.
#[test]
fn a_reflection_of_one_row_can_be_minus_one() {
    for tau in [2.0, 0.0] {
        let (mut q, mut c, mut work, mut info) = ([5.0], [3.0], [0.0], 9);
        // SAFETY: every array has one element, as every size says.
        unsafe { dorgqr_(&1, &1, &1, q.as_mut_ptr(), &1, &tau, work.as_mut_ptr(), &1, &mut info) };
        assert_eq!((q[0], info), (1.0 - tau, 0));
        let (side, t) = (b"L".as_ptr(), b"T".as_ptr());
        let (c_out, work) = (c.as_mut_ptr(), work.as_mut_ptr());
        // SAFETY: as above.
        unsafe { dormqr_(side, t, &1, &1, &1, &5.0, &1, &tau, c_out, &1, work, &1, &mut info) };
        assert_eq!((c[0], info), (3.0 * (1.0 - tau), 0));
    }
}
