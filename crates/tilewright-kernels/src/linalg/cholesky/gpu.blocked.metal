// A group of 256 threads a matrix, in blocks of N = 32 columns: the block on the diagonal in the registers of one SIMD group, the rows
// below it a thread each, then the product of those rows with themselves off what is left, in tiles of 64 x 64.
constexpr uint TILE = 64;
threadgroup S block[N][N + 1];
threadgroup vec<S, 4> pairs[2 * N / 4];
threadgroup S rows_part[TILE][N + 1];
threadgroup S columns_part[TILE][N + 1];
threadgroup int failed;
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const uint down = upper ? 1 : n;
const uint across = upper ? n : 1;
const device S* from = a + ulong(item) * n * n;
device S* l = factor + ulong(item) * n * n;

if (t == 0) failed = 0;
for (uint e = t; e < n * n; e += 256) {
    const uint i = e / n, j = e % n;
    l[i * down + j * across] = j <= i ? from[i * down + j * across] : S(0);
}
// The copy is complete before other threads read it.
threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

for (uint k = 0; k < n; k += N) {
    const uint width = min(uint(N), n - k);
    if (t < 32) {
        S row[N];
#pragma unroll
        for (int j = 0; j < N; ++j) {
            row[j] = t < width && uint(j) <= t ? l[(k + t) * down + (k + j) * across] : S(t == uint(j));
        }
        const int pivot = factor_rows<N, S>(row, pairs, t);
        if (t == 0 && failed == 0 && pivot != 0) failed = int(k) + pivot;
#pragma unroll
        for (int j = 0; j < N; ++j) {
            block[t][j] = row[j];
            if (t < width && uint(j) <= t) l[(k + t) * down + (k + j) * across] = row[j];
        }
    }
    // The block is there before rows are solved with it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (failed != 0) break;
    const uint below = k + width;
    for (uint i = below + t; i < n; i += 256) {
        S x[N];
#pragma unroll
        for (int j = 0; j < N; ++j) x[j] = l[i * down + (k + j) * across];
#pragma unroll
        for (int j = 0; j < N; ++j) {
            x[j] /= block[j][j];
#pragma unroll
            for (int q = j + 1; q < N; ++q) x[q] -= x[j] * block[q][j];
        }
#pragma unroll
        for (int j = 0; j < N; ++j) l[i * down + (k + j) * across] = x[j];
    }
    // The rows are solved before their products are formed, and the block was read before it is overwritten.
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    for (uint top = below; top < n; top += TILE) {
        for (uint left = below; left <= top; left += TILE) {
            for (uint e = t; e < TILE * N; e += 256) {
                const uint i = e / N, j = e % N;
                rows_part[i][j] = top + i < n ? l[(top + i) * down + (k + j) * across] : S(0);
                columns_part[i][j] = left + i < n ? l[(left + i) * down + (k + j) * across] : S(0);
            }
            // Both parts are there before they are multiplied.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            S sums[4][4] = {};
            const uint y = t / 16, x = t % 16;
            for (uint j = 0; j < N; ++j) {
#pragma unroll
                for (int p = 0; p < 4; ++p) {
#pragma unroll
                    for (int q = 0; q < 4; ++q) sums[p][q] += rows_part[y + 16 * p][j] * columns_part[x + 16 * q][j];
                }
            }
#pragma unroll
            for (int p = 0; p < 4; ++p) {
#pragma unroll
                for (int q = 0; q < 4; ++q) {
                    const uint i = top + y + 16 * p, j = left + x + 16 * q;
                    if (i < n && j <= i) l[i * down + j * across] -= sums[p][q];
                }
            }
            // The parts were read before the next tile overwrites them; the last tile's differences are there for the next block.
            threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
        }
    }
}
if (failed != 0) {
    // What was written of the factor is there before it is overwritten.
    threadgroup_barrier(mem_flags::mem_device);
    for (uint e = t; e < n * n; e += 256) l[e] = S(NAN);
}
if (t == 0) info[item] = failed;
