use super::fortran::*;

/// `a v = v diag(w)`, with orthonormal v and rising w.
#[track_caller]
fn judge(a: &Matrix, w: &[f64], v: &Matrix) {
    assert!(w.is_sorted());
    if v.n == 0 {
        return;
    }
    assert_orthonormal(v);
    let scaled = Matrix::from_fn(a.n, v.n, |i, j| v.at(i, j) * w[j]);
    a.times(v).assert_close(&scaled, 40.0 * a.n as f64);
}

#[test]
fn symmetric_matrices_by_three_interfaces() {
    for n in [1, 2, 9, 64, 100] {
        let random = Matrix::random(n, n, 1);
        let a = Matrix::from_fn(n, n, |i, j| random.at(i, j) + random.at(j, i));
        for upper in [false, true] {
            let uplo = if upper { b'U' } else { b'L' };
            let inside = |i: usize, j: usize| i == j || (i < j) == upper;
            let half = Matrix::from_fn(n, n, |i, j| if inside(i, j) { a.at(i, j) } else { f64::NAN });
            let (n_of, lda, mut info) = (n as i32, a.leading(), 9);
            let (mut w, mut size, mut isize) = (vec![0.0; n], [0.0], [0]);
            let mut v = half.clone();
            // SAFETY: the arrays fit the extents.
            unsafe {
                let (job, data) = (b"V".as_ptr(), v.data.as_mut_ptr());
                let values = w.as_mut_ptr();
                dsyevd_(
                    job,
                    &uplo,
                    &n_of,
                    data,
                    &lda,
                    values,
                    size.as_mut_ptr(),
                    &-1,
                    isize.as_mut_ptr(),
                    &1,
                    &mut info,
                );
                assert_eq!(info, 0);
                let (mut work, mut iwork) = (vec![0.0; size[0] as usize], vec![0; isize[0] as usize]);
                let (lwork, liwork) = (work.len() as i32, iwork.len() as i32);
                dsyevd_(
                    job,
                    &uplo,
                    &n_of,
                    data,
                    &lda,
                    values,
                    work.as_mut_ptr(),
                    &lwork,
                    iwork.as_mut_ptr(),
                    &liwork,
                    &mut info,
                );
            }
            assert_eq!(info, 0);
            judge(&a, &w, &v);
            let (mut again, mut alone, mut work) = (half.clone(), vec![0.0; n], vec![0.0; 26 * n]);
            // SAFETY: the arrays fit the extents.
            unsafe {
                let (data, lwork) = (again.data.as_mut_ptr(), 26 * n as i32);
                let job = b"N".as_ptr();
                dsyev_(
                    job,
                    &uplo,
                    &n_of,
                    data,
                    &lda,
                    alone.as_mut_ptr(),
                    work.as_mut_ptr(),
                    &lwork,
                    &mut info,
                );
            }
            assert_eq!(info, 0);
            let off = w.iter().zip(&alone).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(off < 1e-12 * n as f64);
            // A range by number, by value, and all.
            let (il, iu) = (n.div_ceil(3), n);
            let middle = w[n / 2];
            for (range, want) in [(b'I', il - 1..iu), (b'V', n / 2 + 1..n), (b'A', 0..n)] {
                let (mut m, mut found, mut z) = (-1, vec![0.0; n], Matrix::zeros(n, n));
                let (ldz, mut support, mut iwork) = (z.leading(), vec![0; 2 * n], vec![0; 10 * n]);
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dsyevr_(
                        b"V".as_ptr(),
                        &range,
                        &uplo,
                        &n_of,
                        half.data.as_ptr(),
                        &lda,
                        &(middle + 1e-9),
                        &1e9,
                        &(il as i32),
                        &(iu as i32),
                        &0.0,
                        &mut m,
                        found.as_mut_ptr(),
                        z.data.as_mut_ptr(),
                        &ldz,
                        support.as_mut_ptr(),
                        work.as_mut_ptr(),
                        &(26 * n as i32),
                        iwork.as_mut_ptr(),
                        &(10 * n as i32),
                        &mut info,
                    );
                }
                assert_eq!((info, m as usize), (0, want.len()), "{}", range as char);
                judge(&a, &found[..want.len()], &z.part(n, want.len()));
            }
        }
    }
}

#[test]
fn general_matrices_with_vectors_on_both_sides() {
    for n in [1, 2, 3, 10, 97, 120] {
        let a = Matrix::random(n, n, 4);
        for (left, right) in [(true, true), (false, true), (true, false), (false, false)] {
            let flag = |wanted: bool| if wanted { b'V' } else { b'N' };
            let (mut copy, mut vl, mut vr) = (a.clone(), Matrix::zeros(n, n), Matrix::zeros(n, n));
            let (mut wr, mut wi, mut work) = (vec![0.0; n], vec![0.0; n], vec![0.0; 4 * n]);
            let (n_of, ld, mut info) = (n as i32, a.leading(), 9);
            // SAFETY: the arrays fit the extents.
            unsafe {
                dgeev_(
                    &flag(left),
                    &flag(right),
                    &n_of,
                    copy.data.as_mut_ptr(),
                    &ld,
                    wr.as_mut_ptr(),
                    wi.as_mut_ptr(),
                    vl.data.as_mut_ptr(),
                    &ld,
                    vr.data.as_mut_ptr(),
                    &ld,
                    work.as_mut_ptr(),
                    &(4 * n as i32),
                    &mut info,
                );
            }
            assert_eq!(info, 0);
            let trace: f64 = (0..n).map(|i| a.at(i, i)).sum();
            assert!((wr.iter().sum::<f64>() - trace).abs() < 1e-12 * n as f64);
            let mut j = 0;
            while j < n {
                let pair = wi[j] != 0.0;
                if pair {
                    assert_eq!((wr[j], wi[j]), (wr[j + 1], -wi[j + 1]));
                    assert!(wi[j] > 0.0);
                }
                // a (x + iy) = (re + i im)(x + iy); uᴴ a = w uᴴ is aᵀ (x - iy) = w (x - iy).
                for (wanted, v, matrix, sign) in [(right, &vr, &a, 1.0), (left, &vl, &a.transposed(), -1.0)] {
                    if !wanted {
                        continue;
                    }
                    let x = Matrix::from_fn(n, 1, |i, _| v.at(i, j));
                    let y = Matrix::from_fn(n, 1, |i, _| if pair { sign * v.at(i, j + 1) } else { 0.0 });
                    let (ax, ay) = (matrix.times(&x), matrix.times(&y));
                    let bound = 60.0 * n as f64;
                    let real = |i, _| wr[j] * x.at(i, 0) - wi[j] * y.at(i, 0);
                    ax.assert_close(&Matrix::from_fn(n, 1, real), bound);
                    let imaginary = |i, _| wr[j] * y.at(i, 0) + wi[j] * x.at(i, 0);
                    ay.assert_close(&Matrix::from_fn(n, 1, imaginary), bound);
                    let length = |i: usize| x.at(i, 0).powi(2) + y.at(i, 0).powi(2);
                    assert!(((0..n).map(length).sum::<f64>() - 1.0).abs() < 1e-13);
                    let longest = (0..n).max_by(|&i, &k| length(i).total_cmp(&length(k))).unwrap();
                    assert_eq!(y.at(longest, 0).abs(), 0.0);
                }
                j += if pair { 2 } else { 1 };
            }
        }
    }
}

/// Values, by falling modulus, and right vectors of a matrix all of whose values are real.
fn real_values(a: &Matrix) -> (Vec<f64>, Matrix) {
    let n = a.n;
    let (mut copy, mut vr, mut work) = (a.clone(), Matrix::zeros(n, n), vec![0.0; 4 * n]);
    let (mut wr, mut wi, n_of, ld, mut info) = (vec![0.0; n], vec![0.0; n], n as i32, a.leading(), 9);
    let (data, re, im, work) = (copy.data.as_mut_ptr(), wr.as_mut_ptr(), wi.as_mut_ptr(), work.as_mut_ptr());
    let (none, v, lwork) = (std::ptr::null_mut(), vr.data.as_mut_ptr(), 4 * n as i32);
    // SAFETY: the arrays fit the extents; left vectors are not asked for.
    unsafe {
        dgeev_(
            b"N".as_ptr(),
            b"V".as_ptr(),
            &n_of,
            data,
            &ld,
            re,
            im,
            none,
            &1,
            v,
            &ld,
            work,
            &lwork,
            &mut info,
        )
    };
    assert_eq!((info, wi), (0, vec![0.0; n]));
    (wr, vr)
}

#[test]
fn balancing_finds_what_scales_and_exchanges_hide() {
    // Similar to a symmetric matrix by factors of 16: without balancing its smallest values are lost beside elements of 16^11.
    let n = 12;
    let random = Matrix::random(n, n, 5);
    let symmetric = Matrix::from_fn(n, n, |i, j| random.at(i, j) + random.at(j, i));
    let scaled = Matrix::from_fn(n, n, |i, j| symmetric.at(i, j) * 16f64.powi(i as i32 - j as i32));
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    let (expected, _) = real_values(&symmetric);
    let (found, vectors) = real_values(&scaled);
    for (x, y) in sorted(expected).iter().zip(sorted(found.clone())) {
        assert!((x - y).abs() < 1e-13, "{x} {y}");
    }
    for (j, value) in found.iter().enumerate() {
        let v = Matrix::from_fn(n, 1, |i, _| vectors.at(i, j));
        let square: f64 = (0..n).map(|i| v.at(i, 0).powi(2)).sum();
        assert!((square - 1.0).abs() < 1e-13);
        // Row by row, as each has a scale of its own.
        for (i, x) in (0..n).map(|i| (i, scaled.times(&v).at(i, 0))) {
            let size: f64 = (0..n).map(|k| (scaled.at(i, k) * v.at(k, 0)).abs()).sum();
            assert!((x - value * v.at(i, 0)).abs() <= 1e-12 * size, "{i} {j}");
        }
    }
    // A triangle in disguise: its values stand on the diagonal, and are not lost beside what is large.
    let order = [3, 0, 4, 1, 2];
    let hidden = Matrix::from_fn(5, 5, |i, j| match order[i].cmp(&order[j]) {
        std::cmp::Ordering::Less => 1e10,
        std::cmp::Ordering::Equal => f64::from(order[i]) + 0.1,
        std::cmp::Ordering::Greater => 0.0,
    });
    for (i, value) in (0..5).zip(sorted(real_values(&hidden).0)) {
        assert!((value - f64::from(i) - 0.1).abs() < 1e-14, "{value}");
    }
}

#[test]
fn nan_does_not_converge() {
    let (mut a, mut w, mut wi, mut work, mut info) = ([f64::NAN; 4], [0.0; 2], [0.0; 2], [0.0; 8], 0);
    let (flag, none) = (b"N".as_ptr(), std::ptr::null_mut());
    // SAFETY: the arrays fit the extents; vectors are not asked for.
    unsafe {
        dsyev_(flag, b"L".as_ptr(), &2, a.as_mut_ptr(), &2, w.as_mut_ptr(), work.as_mut_ptr(), &8, &mut info);
        assert!(info > 0);
        let (data, re, im) = (a.as_mut_ptr(), w.as_mut_ptr(), wi.as_mut_ptr());
        dgeev_(flag, flag, &2, data, &2, re, im, none, &1, none, &1, work.as_mut_ptr(), &8, &mut info);
    }
    assert!(info > 0);
}
