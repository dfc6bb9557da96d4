use super::fortran::*;

#[test]
fn each_job_gives_the_vectors_it_names_and_they_multiply_back() {
    for [m, n] in [[1, 1], [8, 5], [5, 8], [6, 6], [70, 40], [40, 70]] {
        let (a, k) = (Matrix::random(m, n, 1), m.min(n));
        let (m_of, n_of, lda) = (m as i32, n as i32, a.leading());
        let mut iwork = vec![0; 8 * k];
        let mut values: Vec<Vec<f64>> = Vec::new();
        let mut judge = |s: Vec<f64>, u: Option<Matrix>, vt: Option<Matrix>| {
            assert!(s.is_sorted_by(|x, y| x >= y) && s[k - 1] >= 0.0);
            if let (Some(u), Some(vt)) = (u, vt) {
                assert_orthonormal(&u);
                assert_orthonormal(&vt.transposed());
                let scaled = Matrix::from_fn(m, k, |i, j| u.at(i, j) * s[j]);
                scaled.times(&vt.part(k, n)).assert_close(&a, 40.0 * m.max(n) as f64);
            }
            values.push(s);
        };
        for job in *b"ASON" {
            let (mut copy, mut s, mut info) = (a.clone(), vec![0.0; k], 9);
            let columns = if job == b'A' { m } else { k };
            let rows = if job == b'A' { n } else { k };
            let (mut u, mut vt) = (Matrix::zeros(m, columns), Matrix::zeros(rows, n));
            let (ldu, ldvt) = (u.leading(), vt.leading());
            let call = |copy: &mut Matrix,
                        s: &mut [f64],
                        u: &mut Matrix,
                        vt: &mut Matrix,
                        work: &mut [f64],
                        lwork: i32,
                        iwork: &mut [i32]| {
                let mut info = 9;
                let [a, u, vt] = [copy, u, vt].map(|matrix| matrix.data.as_mut_ptr());
                let (s, work, iwork) = (s.as_mut_ptr(), work.as_mut_ptr(), iwork.as_mut_ptr());
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dgesdd_(
                        &job, &m_of, &n_of, a, &lda, s, u, &ldu, vt, &ldvt, work, &lwork, iwork, &mut info,
                    )
                };
                info
            };
            let mut size = [0.0];
            assert_eq!(call(&mut copy, &mut s, &mut u, &mut vt, &mut size, -1, &mut iwork), 0);
            let mut work = vec![0.0; size[0] as usize];
            let lwork = work.len() as i32;
            assert_eq!(call(&mut copy, &mut s, &mut u, &mut vt, &mut work, lwork, &mut iwork), 0);
            match job {
                b'N' => judge(s.clone(), None, None),
                b'O' if m >= n => judge(s.clone(), Some(copy.part(m, k)), Some(vt)),
                b'O' => judge(s.clone(), Some(u), Some(copy.part(k, n))),
                _ => judge(s.clone(), Some(u), Some(vt)),
            }
            for job_vt in *b"ASON" {
                if job == b'O' && job_vt == b'O' {
                    continue;
                }
                let (mut copy, mut u) = (a.clone(), Matrix::zeros(m, columns));
                let mut vt = Matrix::zeros(if job_vt == b'A' { n } else { k }, n);
                let ldvt = vt.leading();
                let mut work = vec![0.0; 5 * (m + n)];
                let lwork = work.len() as i32;
                // SAFETY: the arrays fit the extents.
                unsafe {
                    dgesvd_(
                        &job,
                        &job_vt,
                        &m_of,
                        &n_of,
                        copy.data.as_mut_ptr(),
                        &lda,
                        s.as_mut_ptr(),
                        u.data.as_mut_ptr(),
                        &ldu,
                        vt.data.as_mut_ptr(),
                        &ldvt,
                        work.as_mut_ptr(),
                        &lwork,
                        &mut info,
                    );
                }
                assert_eq!(info, 0);
                let u = match job {
                    b'N' => None,
                    b'O' => Some(copy.part(m, k)),
                    _ => Some(u),
                };
                let vt = match job_vt {
                    b'N' => None,
                    b'O' => Some(copy.part(k, n)),
                    _ => Some(vt),
                };
                judge(s.clone(), u, vt);
            }
        }
        for other in &values[1..] {
            let off = values[0].iter().zip(other).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
            assert!(off <= 1e-13 * values[0][0].max(1.0) * k as f64, "{m} x {n}: {off}");
        }
    }
}

#[test]
fn values_near_the_ends_of_the_range_are_found_and_nan_is_refused() {
    for (scale, info_wanted) in [(1e300, 0), (1e-300, 0), (f64::NAN, -4), (f64::INFINITY, 1)] {
        let mut a = Matrix::from_fn(2, 2, |i, j| if i == j { scale * (i + 1) as f64 } else { 0.0 });
        let (mut s, mut work, mut iwork, mut info) = ([0.0; 2], [0.0; 100], [0; 16], 9);
        let none = std::ptr::null_mut();
        // SAFETY: the arrays fit the extents; vectors are not asked for.
        unsafe {
            dgesdd_(
                b"N".as_ptr(),
                &2,
                &2,
                a.data.as_mut_ptr(),
                &4,
                s.as_mut_ptr(),
                none,
                &1,
                none,
                &1,
                work.as_mut_ptr(),
                &100,
                iwork.as_mut_ptr(),
                &mut info,
            );
        }
        assert_eq!(info, info_wanted, "{scale}");
        if info == 0 {
            assert!((s[0] / scale - 2.0).abs() < 1e-14 && (s[1] / scale - 1.0).abs() < 1e-14, "{s:?}");
        }
    }
}
