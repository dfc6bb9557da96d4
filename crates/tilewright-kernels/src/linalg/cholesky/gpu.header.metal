// The factor of an N x N block whose row i lane i of a SIMD group holds, in place. Returns the first pivot, counted from 1, that is not a
// positive finite number, or 0; from there on the block is of no use.
template <int N, typename S> inline int factor_rows(thread S (&row)[N], uint lane) {
    int failed = 0;
#pragma unroll
    for (int k = 0; k < N; ++k) {
        const S pivot = simd_broadcast(row[k], ushort(k));
        // The difference of an infinity or NaN with itself is NaN.
        if (failed == 0 && !(pivot > S(0) && pivot - pivot == S(0))) failed = k + 1;
        const S root = sqrt(pivot);
        row[k] = int(lane) == k ? root : row[k] / root;
#pragma unroll
        for (int j = k + 1; j < N; ++j) row[j] -= row[k] * simd_broadcast(row[k], ushort(j));
    }
    return failed;
}
