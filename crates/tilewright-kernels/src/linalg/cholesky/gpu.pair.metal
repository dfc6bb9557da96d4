// A SIMD group a matrix of 33 to 64 rows, two of them a lane: low, of the first 32, and high. All pass by threadgroup memory on their way in and out, so
// that rows of the matrix are read and written whole. Rows and columns from n on are those of the identity.
constexpr uint PITCH = 65;
threadgroup S tile[64 * PITCH];
threadgroup vec<S, 4> columns[2 * 16];
const uint lane = thread_index_in_simdgroup;
const uint item = threadgroup_position_in_grid.x;
const device S* from = a + ulong(item) * n * n;
device S* to = factor + ulong(item) * n * n;

#pragma unroll 16
for (uint i = 0; i < 64; ++i) {
#pragma unroll
    for (uint half = 0; half < 2; ++half) {
        const uint j = lane + 32 * half;
        const bool inside = upper ? i <= j : j <= i;
        const S x = inside && i < n && j < n ? from[i * n + j] : S(i == j);
        tile[upper ? j * PITCH + i : i * PITCH + j] = x;
    }
}
// The rows are there before lanes take theirs.
simdgroup_barrier(mem_flags::mem_threadgroup);
S low[32], high[64];
#pragma unroll
for (uint k = 0; k < 64; ++k) {
    if (k < 32) low[k % 32] = tile[lane * PITCH + k];
    high[k] = tile[(lane + 32) * PITCH + k];
}
int failed = 0;
#pragma unroll
for (int k = 0; k < 64; ++k) {
    const S pivot = simd_broadcast(k < 32 ? low[k % 32] : high[k], ushort(k % 32));
    // The difference of an infinity or NaN with itself is NaN.
    if (failed == 0 && !(pivot > S(0) && pivot - pivot == S(0))) failed = k + 1;
    const S inverse = inverse_root(pivot);
    threadgroup vec<S, 4>* column = columns + k % 2 * 16;
    if (k < 32) {
        low[k % 32] = int(lane) == k ? pivot * inverse : low[k % 32] * inverse;
        high[k] *= inverse;
        ((threadgroup S*)column)[lane] = low[k % 32];
    } else {
        high[k] = int(lane) == k - 32 ? pivot * inverse : high[k] * inverse;
    }
    ((threadgroup S*)column)[lane + 32] = high[k];
    // The column is there before it is read; two turns ago its memory was read.
    simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
    for (int c = (k + 1) / 4; c < 16; ++c) {
        const vec<S, 4> others = column[c];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int j = 4 * c + e;
            if (j > k && j < 32) low[j % 32] -= low[k % 32] * others[e];
            if (j > k) high[j] -= high[k] * others[e];
        }
    }
}
#pragma unroll
for (uint k = 0; k < 64; ++k) {
    tile[lane * PITCH + k] = k <= lane && k < 32 ? low[k % 32] : S(0);
    tile[(lane + 32) * PITCH + k] = k <= lane + 32 ? high[k] : S(0);
}
// The factor is there before its rows are written.
simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll 16
for (uint i = 0; i < 64; ++i) {
#pragma unroll
    for (uint half = 0; half < 2; ++half) {
        const uint j = lane + 32 * half;
        if (i < n && j < n) to[i * n + j] = failed != 0 ? S(NAN) : tile[upper ? j * PITCH + i : i * PITCH + j];
    }
}
if (lane == 0) info[item] = failed;
