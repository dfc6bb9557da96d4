//! What is refused, by which INFO, and that nothing is written then.

use super::fortran::*;

#[test]
fn wrong_arguments_are_named_by_their_place() {
    let (mut matrix, mut sides, mut work) = ([7.0; 16], [7.0; 16], [7.0; 64]);
    let (mut exchanges, mut iwork, mut info) = ([7; 8], [7; 64], 9);
    let [a, b, work] = [&mut matrix[..], &mut sides[..], &mut work[..]].map(|array| array.as_mut_ptr());
    let (ipiv, iwork) = (exchanges.as_mut_ptr(), iwork.as_mut_ptr());
    let info = &mut info;
    let [n, t, u, l, v, x] = [b"N", b"T", b"U", b"L", b"V", b"?"].map(|flag| flag.as_ptr());
    macro_rules! refused {
        ($($info:literal: $call:ident($($argument:expr),*);)*) => {$(
            // SAFETY: the arrays fit the extents, but for those that are refused before they are looked at.
            unsafe { $call($($argument,)* info) };
            assert_eq!(*info, $info, "{}", stringify!($call($($argument),*)));
        )*};
    }
    refused! {
        -1: dgetrf_(&-1, &2, a, &2, ipiv);
        -2: dgetrf_(&2, &-1, a, &2, ipiv);
        -4: dgetrf_(&2, &2, a, &1, ipiv);
        -1: dgetrs_(x, &2, &1, a, &2, ipiv, b, &2);
        -3: dgetrs_(n, &2, &-1, a, &2, ipiv, b, &2);
        -5: dgetrs_(n, &2, &1, a, &1, ipiv, b, &2);
        -8: dgetrs_(n, &2, &1, a, &2, ipiv, b, &1);
        // Rows that the matrix does not have.
        -6: dgetrs_(n, &2, &1, a, &2, ipiv, b, &2);
        -3: dgetri_(&2, a, &1, ipiv, work, &2);
        -6: dgetri_(&2, a, &2, ipiv, work, &1);
        -1: dgesv_(&-1, &1, a, &2, ipiv, b, &2);
        -7: dgesv_(&2, &1, a, &2, ipiv, b, &1);
        -1: dgecon_(x, &2, a, &2, &1.0, b, work, iwork);
        -5: dgecon_(b"1".as_ptr(), &2, a, &2, &-1.0, b, work, iwork);
        -1: dpotrf_(x, &2, a, &2);
        -4: dpotrf_(u, &2, a, &1);
        -2: dpotri_(l, &-2, a, &2);
        -7: dpotrs_(l, &2, &1, a, &2, b, &1);
        -3: dposv_(l, &2, &-1, a, &2, b, &2);
        -4: dgeqrf_(&2, &2, a, &1, b, work, &2);
        -7: dgeqrf_(&2, &2, a, &2, b, work, &1);
        -2: dorgqr_(&2, &3, &1, a, &2, b, work, &3);
        -3: dorgqr_(&3, &2, &3, a, &3, b, work, &3);
        -1: dormqr_(x, n, &2, &2, &2, a, &2, b, a, &2, work, &2);
        -5: dormqr_(l, t, &2, &2, &3, a, &2, b, a, &2, work, &2);
        -12: dormqr_(l, t, &2, &2, &2, a, &2, b, a, &2, work, &1);
        -1: dgels_(x, &2, &2, &1, a, &2, b, &2, work, &8);
        -8: dgels_(n, &3, &2, &1, a, &3, b, &2, work, &8);
        -10: dgels_(n, &3, &2, &1, a, &3, b, &3, work, &1);
        -5: dgelsd_(&3, &2, &1, a, &2, b, &3, work, &0.1, ipiv, work, &64, iwork);
        -12: dgelsd_(&3, &2, &1, a, &3, b, &3, work, &0.1, ipiv, work, &1, iwork);
        -1: dgesdd_(x, &2, &2, a, &2, work, b, &2, b, &2, work, &64, iwork);
        -8: dgesdd_(b"S".as_ptr(), &2, &2, a, &2, work, b, &1, b, &2, work, &64, iwork);
        -10: dgesdd_(b"A".as_ptr(), &2, &2, a, &2, work, b, &2, b, &1, work, &64, iwork);
        -12: dgesdd_(n, &2, &2, a, &2, work, b, &2, b, &2, work, &1, iwork);
        -2: dgesvd_(b"O".as_ptr(), b"O".as_ptr(), &2, &2, a, &2, work, b, &2, b, &2, work, &64);
        -13: dgesvd_(n, n, &2, &2, a, &2, work, b, &2, b, &2, work, &1);
        -1: dsyev_(x, l, &2, a, &2, b, work, &8);
        -2: dsyev_(v, x, &2, a, &2, b, work, &8);
        -8: dsyev_(v, l, &2, a, &2, b, work, &1);
        -10: dsyevd_(v, l, &2, a, &2, b, work, &64, iwork, &1);
        -8: dsyevr_(n, v, l, &2, a, &2, &1.0, &0.0, &1, &2, &0.0, ipiv, b, b, &2, iwork, work, &64, iwork, &64);
        -10: dsyevr_(n, b"I".as_ptr(), l, &2, a, &2, &1.0, &0.0, &1, &3, &0.0, ipiv, b, b, &2, iwork, work, &64, iwork, &64);
        -11: dgeev_(n, v, &2, a, &2, b, b, b, &1, b, &1, work, &64);
        -13: dgeev_(n, v, &2, a, &2, b, b, b, &1, b, &2, work, &7);
        -2: dtrtri_(u, x, &2, a, &2);
        -9: dtrtrs_(u, n, n, &2, &1, a, &2, b, &1);
    }
    assert_eq!((matrix, sides), ([7.0; 16], [7.0; 16]), "what is refused is not written");
}

#[test]
fn blas_refuses_and_writes_nothing() {
    let (a, mut c) = ([1.0; 4], [7.0; 4]);
    let flags = [b"N".as_ptr(), b"?".as_ptr()];
    let (data, out) = (a.as_ptr(), c.as_mut_ptr());
    // SAFETY: the arrays fit the extents, but for those that are refused before they are looked at.
    unsafe {
        dgemm_(flags[1], flags[0], &2, &2, &2, &1.0, data, &2, data, &2, &0.0, out, &2);
        dgemm_(flags[0], flags[0], &2, &2, &2, &1.0, data, &1, data, &2, &0.0, out, &2);
        dgemm_(flags[0], flags[0], &2, &2, &2, &1.0, data, &2, data, &2, &0.0, out, &1);
        dgemv_(flags[0], &2, &2, &1.0, data, &2, data, &0, &0.0, out, &1);
        cblas_dgemm(0, 111, 111, 2, 2, 2, 1.0, data, 2, data, 2, 0.0, out, 2);
        cblas_dgemm(101, 0, 111, 2, 2, 2, 1.0, data, 2, data, 2, 0.0, out, 2);
    }
    assert_eq!(c, [7.0; 4]);
}

#[test]
fn a_fault_inside_is_an_info_and_not_the_end_of_the_program() {
    let (mut info, mut ipiv) = (0, [0; 2]);
    // SAFETY: an array at address 0 is looked for before it is used.
    unsafe { dgetrf_(&2, &2, std::ptr::null_mut(), &2, ipiv.as_mut_ptr(), &mut info) };
    assert_eq!(info, -1000);
}

#[test]
fn nothing_of_no_extent_is_looked_at() {
    let (none, mut info, mut ipiv, mut work) = (std::ptr::null_mut(), 9, [0; 4], [0.0; 64]);
    let (flag, mut rank) = (b"N".as_ptr(), 9);
    let (ints, out) = (ipiv.as_mut_ptr(), work.as_mut_ptr());
    // SAFETY: arrays of no extent have no elements.
    unsafe {
        dgetrf_(&0, &3, none, &1, ints, &mut info);
        assert_eq!(info, 0);
        dgesv_(&0, &1, none, &1, ints, none, &1, &mut info);
        assert_eq!(info, 0);
        dgeqrf_(&3, &0, none, &3, none, out, &1, &mut info);
        assert_eq!(info, 0);
        dgesdd_(flag, &0, &3, none, &1, none, none, &1, none, &1, out, &64, ints, &mut info);
        assert_eq!(info, 0);
        dsyev_(flag, b"L".as_ptr(), &0, none, &1, none, out, &1, &mut info);
        assert_eq!(info, 0);
        dgeev_(flag, flag, &0, none, &1, none, none, none, &1, none, &1, out, &1, &mut info);
        assert_eq!(info, 0);
        dgelsd_(&0, &0, &1, none, &1, none, &1, none, &0.1, &mut rank, out, &1, ints, &mut info);
        assert_eq!((info, rank), (0, 0));
        dgemm_(flag, flag, &0, &2, &2, &1.0, none, &1, none, &2, &0.0, none, &1);
    }
}

#[test]
fn values_may_lie_at_any_address() {
    // As in NumPy's buffers, in which a number of eight bytes follows one of four.
    let mut room = [0u64; 4];
    let at = |room: &mut [u64; 4], bytes: usize| room.as_mut_ptr().cast::<u8>().wrapping_add(bytes);
    let (mut a, mut b, mut s, mut work, mut iwork) = ([2.0], [6.0], [0.0], [0.0; 64], [0; 64]);
    let (rcond, rank) = (at(&mut room, 4).cast::<f64>(), at(&mut room, 13).cast::<i32>());
    let (extent, info) = (at(&mut room, 18).cast::<i32>(), at(&mut room, 25).cast::<i32>());
    let [a_at, b_at, s_at, work_at] = [a.as_mut_ptr(), b.as_mut_ptr(), s.as_mut_ptr(), work.as_mut_ptr()];
    // SAFETY: the values lie within the room and apart; the arrays fit the extents.
    let told = unsafe {
        rcond.write_unaligned(-1.0);
        extent.write_unaligned(1);
        let (n, ints) = (extent, iwork.as_mut_ptr());
        dgelsd_(n, n, n, a_at, n, b_at, n, s_at, rcond, rank, work_at, &64, ints, info);
        (info.read_unaligned(), rank.read_unaligned())
    };
    assert_eq!((told, b, s), ((0, 1), [3.0], [2.0]));
}

#[test]
fn single_precision_solves_too() {
    let (mut a, mut b, mut ipiv, mut info) = ([2.0f32, 1.0, 1.0, 3.0], [3.0f32, 5.0], [0; 2], 9);
    // SAFETY: the arrays fit the extents.
    unsafe { sgesv_(&2, &1, a.as_mut_ptr(), &2, ipiv.as_mut_ptr(), b.as_mut_ptr(), &2, &mut info) };
    assert_eq!(info, 0);
    assert!((b[0] - 0.8).abs() < 1e-6 && (b[1] - 1.4).abs() < 1e-6);
}
