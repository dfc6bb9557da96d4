// A group of 32 W threads a matrix, each with a row of its own in registers. Columns move up a place as each is done, so that the one at hand is
// always the first: those who hold it hand it round, and all subtract its product with itself.
constexpr int N = 32 * W;
constexpr int PITCH = N + 1;
threadgroup vec<S, 4> columns[2 * N / 4];
threadgroup S* tile = (threadgroup S*)memory;  // [N][PITCH]: by rows of the lower triangle
const uint t = thread_index_in_threadgroup;
const uint item = threadgroup_position_in_grid.x;
const device S* from = a + ulong(item) * n * n;
device S* to = factor + ulong(item) * n * n;

for (uint i = 0; i < uint(N); ++i) {
    const bool inside = i < n && t < n && (upper ? i <= t : t <= i);
    tile[upper ? t * PITCH + i : i * PITCH + t] = inside ? from[i * n + t] : S(0);
}
// Rows are there before threads take theirs.
threadgroup_barrier(mem_flags::mem_threadgroup);
S x[N];
#pragma unroll
for (int j = 0; j < N; ++j) x[j] = tile[t * PITCH + j];

int failed = 0;
#pragma unroll
for (int part = 0; part < W; ++part) {
    for (uint within = 0; within < 32; ++within) {
        const uint k = 32 * part + within;
        if (k >= n || failed != 0) break;
        threadgroup vec<S, 4>* column = columns + k % 2 * (N / 4);
        threadgroup S* elements = (threadgroup S*)column;
        // Of the rows that are left; beyond them nothing that counts.
        elements[(t + N - k) % N] = t < k ? S(0) : x[0];
        // The column is there before it is read; two turns ago its memory was read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const S pivot = elements[0];
        // The difference of an infinity or NaN with itself is NaN.
        if (!(pivot > S(0) && pivot - pivot == S(0))) {
            failed = int(k) + 1;
            break;
        }
        const S over = S(1) / sqrt(pivot);
        const S l = x[0] * over;
        if (t >= k) {
            tile[t * PITCH + k] = t == k ? sqrt(pivot) : l;
            const S by = l * over;
#pragma unroll
            for (int c = 0; c < (N - 32 * part) / 4; ++c) {
                const vec<S, 4> others = column[c];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    if (4 * c + e > 0) x[4 * c + e - 1] = x[4 * c + e] - by * others[e];
                }
            }
        }
    }
}
// The factor is there before it is written out.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint i = 0; i < n; ++i) {
    const bool inside = upper ? i <= t : t <= i;
    const S value = inside ? tile[upper ? t * PITCH + i : i * PITCH + t] : S(0);
    if (t < n) to[i * n + t] = failed != 0 ? S(NAN) : value;
}
if (t == 0) info[item] = failed;
