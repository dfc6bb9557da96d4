// A group a matrix: a panel of 32 columns from (k, k) on. A thread holds R of its rows in registers; rows change their places, not their threads, until the
// panel is written back. Each warp lays its strongest row out for all, so that one barrier a column is enough.
__shared__ ::float4 strongest[2][16][8];
__shared__ unsigned keys[2][16];
__shared__ int claims[2][16];
const int t = threadIdx.x, lane = t % 32, warp = t / 32, warps = blockDim.x / 32;
float* stage = (float*)memory + warp * 32 * 33;
const size_t item = threadgroup_position_in_grid.x;
float* to = lu + item * m * n;
int* order = permutation + item * m;
int* moved = moves + item * 64;
const int width = min(32, int(n - k)), pivots = min(width, int(m - k));
float row[R][32];
int start[R], place[R];
#pragma unroll
for (int r = 0; r < R; ++r) {
    // Rows that are done stand before k, rows that are none at m.
    start[r] = place[r] = min(int(k) + t + r * int(blockDim.x), int(m));
    // A warp reads a row at a time, and turns 32 of them.
#pragma unroll 8
    for (int i = 0; i < 32; ++i) {
        const int from = min(int(k) + 32 * warp + i + r * int(blockDim.x), int(m));
        stage[i * 33 + lane] = from < int(m) && lane < width ? to[size_t(from) * n + k + lane] : 0.0f;
    }
    __syncwarp();
#pragma unroll
    for (int c = 0; c < 32; ++c) row[r][c] = stage[lane * 33 + c];
    // Read before the next ones are written.
    __syncwarp();
}
int failed = 0;
#pragma unroll
for (int c = 0; c < 32; ++c) {
    if (c < pivots) {
        const int here = k + c, side = c % 2;
        // 0 makes no claim, and a NaN less of one than a zero: where there is nothing else, such a row is taken.
        unsigned key = 0;
        int mine = here, chosen = 0;
#pragma unroll
        for (int r = 0; r < R; ++r) {
            const float size = ::fabsf(row[r][c]);
            const unsigned claim = place[r] < here || place[r] >= int(m) ? 0u : size >= 0.0f ? __float_as_uint(size) + 2u : 1u;
            if (claim > key) {
                key = claim;
                mine = place[r];
                chosen = r;
            }
        }
        const unsigned best = __reduce_max_sync(0xffffffffu, key);
        const int winner = __ffs(__ballot_sync(0xffffffffu, key == best)) - 1;
        if (lane == winner) {
            keys[side][warp] = best;
            claims[side][warp] = mine;
#pragma unroll
            for (int r = 0; r < R; ++r) {
                if (r == chosen) {
#pragma unroll
                    for (int q = c / 4; q < 8; ++q) {
                        strongest[side][warp][q] = ::make_float4(row[r][4 * q], row[r][4 * q + 1], row[r][4 * q + 2], row[r][4 * q + 3]);
                    }
                }
            }
        }
        // All claims are there before any is read; those of the column before last were read before the last barrier.
        __syncthreads();
        const unsigned claim = lane < warps ? keys[side][lane] : 0u;
        const unsigned most = __reduce_max_sync(0xffffffffu, claim);
        const int from = __ffs(__ballot_sync(0xffffffffu, claim == most)) - 1;
        const int pivot_place = claims[side][from];
        const ::float4* pivot_row = strongest[side][from];
        const float pivot = ((const float*)pivot_row)[c];
        if (failed == 0 && pivot == 0.0f) failed = here + 1;
#pragma unroll
        for (int r = 0; r < R; ++r) {
            place[r] = place[r] == pivot_place ? here : place[r] == here ? pivot_place : place[r];
            if (place[r] > here && place[r] < int(m)) {
                // Below a zero pivot there are only zeros.
                const float factor = pivot == 0.0f ? 0.0f : row[r][c] / pivot;
                row[r][c] = factor;
#pragma unroll
                for (int q = (c + 1) / 4; q < 8; ++q) {
                    const ::float4 x = pivot_row[q];
                    if (4 * q > c) row[r][4 * q] -= factor * x.x;
                    if (4 * q + 1 > c) row[r][4 * q + 1] -= factor * x.y;
                    if (4 * q + 2 > c) row[r][4 * q + 2] -= factor * x.z;
                    if (4 * q + 3 > c) row[r][4 * q + 3] -= factor * x.w;
                }
            }
        }
    }
}
int origin[R];
#pragma unroll
for (int r = 0; r < R; ++r) origin[r] = k == 0 || place[r] >= int(m) ? start[r] : order[start[r]];
// The panel and the order of rows were read before other threads write them.
__syncthreads();
#pragma unroll
for (int r = 0; r < R; ++r) {
#pragma unroll
    for (int c = 0; c < 32; ++c) stage[lane * 33 + c] = row[r][c];
    __syncwarp();
#pragma unroll 8
    for (int i = 0; i < 32; ++i) {
        const int at = __shfl_sync(0xffffffffu, place[r], i);
        if (at < int(m) && lane < width) to[size_t(at) * n + k + lane] = stage[i * 33 + lane];
    }
    // Read before the next ones are written.
    __syncwarp();
    if (place[r] < int(m)) {
        order[place[r]] = origin[r];
        // Which row comes to each place at the top, and where each row that stood there goes to, if not there.
        if (place[r] < int(k) + 32) moved[place[r] - k] = start[r];
        if (start[r] < int(k) + 32) moved[32 + start[r] - k] = place[r] < int(k) + 32 ? -1 : place[r];
    }
}
if (t == 0) info[item] = k == 0 || info[item] == 0 ? failed : info[item];
