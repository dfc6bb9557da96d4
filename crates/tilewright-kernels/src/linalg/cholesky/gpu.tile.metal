// A group of 32 W threads for a matrix of up to 32 Q rows, all of it in registers: SIMD group w holds rows w + W p, and lane j of it columns
// j + 32 q. Column by column: those who hold it hand it round, and all subtract its product with itself. An upper triangle is transposed on
// its way in and out, 32 rows at a time.
constexpr int P = 32 * Q / W;
// Vectors for a SIMD group's rows, and threads that read one row each find them in different banks.
constexpr int PITCH = P + 4;
constexpr int WIDE = 32 * Q + 1;
threadgroup vec<S, 4> columns[2 * W * PITCH / 4];
threadgroup S stage[32 * WIDE];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const uint w = t / 32;
const uint item = threadgroup_position_in_grid.x;
const device S* from = a + ulong(item) * n * n;
device S* to = factor + ulong(item) * n * n;

S x[P][Q];
#pragma unroll
for (int q = 0; q < Q; ++q) {
    if (upper) {
        for (uint e = t; e < uint(32 * 32 * Q); e += 32 * W) {
            const uint i = 32 * q + e / (32 * Q), j = e % (32 * Q);
            stage[e / (32 * Q) * WIDE + j] = j < n && i <= j ? from[i * n + j] : S(0);
        }
        // The rows are there before columns are read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
#pragma unroll
    for (int p = 0; p < P; ++p) {
        const uint i = w + W * p, j = lane + 32 * q;
        x[p][q] = upper ? stage[lane * WIDE + i] : i < n && j <= i ? from[i * n + j] : S(0);
    }
    // The columns were read before the next rows are written.
    if (upper) threadgroup_barrier(mem_flags::mem_threadgroup);
}

int failed = 0;
#pragma unroll
for (int kb = 0; kb < Q; ++kb) {
    // Rows above the block are done.
    constexpr int PER_BLOCK = 32 / W;
    for (uint kk = 0; kk < 32; ++kk) {
        const uint k = 32 * kb + kk;
        if (k >= n || failed != 0) break;
        threadgroup vec<S, 4>* vectors = columns + k % 2 * (W * PITCH / 4);
        threadgroup S* column = (threadgroup S*)vectors;
        if (lane == kk) {
#pragma unroll
            for (int p = kb * PER_BLOCK / 4 * 4; p < P; ++p) {
                const bool left = p >= (kb + 1) * PER_BLOCK || (p >= kb * PER_BLOCK && w + W * p >= k);
                column[w * PITCH + p] = left ? x[p][kb] : S(0);
            }
        }
        // The column is there before it is read; two turns ago its memory was read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const S pivot = column[k % W * PITCH + k / W];
        // The difference of an infinity or NaN with itself is NaN.
        if (!(pivot > S(0) && pivot - pivot == S(0))) {
            failed = int(k) + 1;
            break;
        }
        const S root = sqrt(pivot);
        const S inverse = S(1) / root;
        S other[Q];
#pragma unroll
        for (int q = kb; q < Q; ++q) {
            const uint j = lane + 32 * q;
            other[q] = column[j % W * PITCH + j / W] * inverse;
        }
        // Columns up to this one are done.
        if (lane <= kk) other[kb] = S(0);
#pragma unroll
        for (int c = kb * PER_BLOCK / 4; c < P / 4; ++c) {
            const vec<S, 4> rows = vectors[w * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int p = 4 * c + e;
                const S l = rows[e] * inverse;
#pragma unroll
                for (int q = kb; q < Q; ++q) {
                    // Blocks above the diagonal are left alone.
                    if (32 * q < W * (p + 1)) x[p][q] -= l * other[q];
                }
                if (lane == kk && p >= (kb + 1) * PER_BLOCK) x[p][kb] = l;
                if (lane == kk && p < (kb + 1) * PER_BLOCK && w + W * p >= k) x[p][kb] = w + W * p == k ? root : l;
            }
        }
    }
}

#pragma unroll
for (int q = 0; q < Q; ++q) {
#pragma unroll
    for (int p = 0; p < P; ++p) {
        const uint i = w + W * p, j = lane + 32 * q;
        const S value = failed != 0 ? S(NAN) : j <= i ? x[p][q] : S(0);
        if (upper) {
            stage[lane * WIDE + i] = value;
        } else if (i < n && j < n) {
            to[i * n + j] = value;
        }
    }
    if (upper) {
        // The columns are there before rows are read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint e = t; e < uint(32 * 32 * Q); e += 32 * W) {
            const uint i = 32 * q + e / (32 * Q), j = e % (32 * Q);
            if (i < n && j < n) to[i * n + j] = stage[e / (32 * Q) * WIDE + j];
        }
        // The rows were read before the next columns are written.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
}
if (t == 0) info[item] = failed;
