// Lane i of a SIMD group gives row i of an N x N block and gets column i of it. `tile` has N (N + 1) elements for the group alone.
template <int N, typename S> inline void transpose(thread S (&x)[N], threadgroup S* tile, uint lane) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
        if (lane < uint(N)) tile[i * (N + 1) + lane] = x[i];
    }
    // The rows are there before columns are read.
    simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
    for (int i = 0; i < N; ++i) {
        if (lane < uint(N)) x[i] = tile[lane * (N + 1) + i];
    }
    // The columns were read before the tile is written again.
    simdgroup_barrier(mem_flags::mem_threadgroup);
}

// The factor of an N x N block whose row i lane i of a SIMD group holds, in place. Returns the first pivot, counted from 1, that is not a
// positive finite number, or 0; from there on the block is of no use. `columns`, two of N elements, is for the group alone.
template <int N, typename S> inline int factor_rows(thread S (&row)[N], threadgroup vec<S, 4>* columns, uint lane) {
    int failed = 0;
#pragma unroll
    for (int k = 0; k < N; ++k) {
        const S pivot = simd_broadcast(row[k], ushort(k));
        // The difference of an infinity or NaN with itself is NaN.
        if (failed == 0 && !(pivot > S(0) && pivot - pivot == S(0))) failed = k + 1;
        const S root = sqrt(pivot);
        row[k] = int(lane) == k ? root : row[k] * (S(1) / root);
        threadgroup vec<S, 4>* column = columns + k % 2 * (N / 4);
        if (lane < uint(N)) ((threadgroup S*)column)[lane] = row[k];
        // The column is there before it is read; two turns ago its memory was read.
        simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int c = (k + 1) / 4; c < N / 4; ++c) {
            const vec<S, 4> others = column[c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (4 * c + e > k) row[4 * c + e] -= row[k] * others[e];
            }
        }
    }
    return failed;
}
