// A group of eight warps for a block of r, or of w. The second time they are products with those of the first.
__shared__ double left[BLOCK][BLOCK + 1], right[BLOCK][BLOCK + 1];
const unsigned blocks = (n + BLOCK - 1) / BLOCK, pitch = blocks * BLOCK, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
const unsigned group = threadgroup_position_in_grid.x, low = group % blocks, high = group / blocks % blocks;
const bool of_w = group / (blocks * blocks) % 2 == 1;
const size_t item = group / (2 * blocks * blocks), square = size_t(pitch) * pitch, at = item * square;
if (second && (state[item] & DONE)) return;
// The first time there are two attempts.
const size_t from = second ? at : (2 * item + (state[item] & NOISY ? 1 : 0)) * square;
const double* lengths = sizes + item * pitch;
// Element (i, j) of r, and of w with a w = q, out of the results of `triangle`; a column of zeros has none in r.
const auto new_r = [&](unsigned i, unsigned j) { return gram[at + size_t(j) * pitch + j] == 0.0 ? 0.0 : s[from + size_t(i) * pitch + j] * lengths[j]; };
const auto new_w = [&](unsigned i, unsigned j) { return x[from + size_t(j) * pitch + i] / lengths[i]; };
// Of four rows, eight apart.
double sums[4] = {};
if (!second) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const unsigned i = BLOCK * high + warp + 8 * e, j = BLOCK * low + lane;
        if (i <= j) sums[e] = of_w ? new_w(i, j) : new_r(i, j);
    }
} else {
    for (unsigned block = high; block <= low; ++block) {
        double read[2][4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const unsigned row = warp + 8 * e, i = BLOCK * high + row, k = BLOCK * block + lane;
            read[0][e] = of_w ? w_before[at + size_t(i) * pitch + k] : new_r(i, k);
            read[1][e] = of_w ? new_w(k, BLOCK * low + row) : r_before[at + size_t(BLOCK * block + row) * pitch + BLOCK * low + lane];
        }
        // What was there was read.
        __syncthreads();
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const unsigned row = warp + 8 * e;
            left[row][lane] = read[0][e];
            // Rows of x are columns of w.
            right[of_w ? lane : row][of_w ? row : lane] = read[1][e];
        }
        // The blocks are there.
        __syncthreads();
#pragma unroll
        for (int k = 0; k < BLOCK; ++k) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                // Beside the triangles are zeros, and what is no number must not meet them.
                const bool within = (block > high || k >= int(warp) + 8 * e) && (block < low || k <= int(lane));
                sums[e] += within ? left[warp + 8 * e][k] * right[k][lane] : 0.0;
            }
        }
    }
}
#pragma unroll
for (int e = 0; e < 4; ++e) {
    const unsigned i = BLOCK * high + warp + 8 * e, j = BLOCK * low + lane;
    (of_w ? w : r_wide)[at + size_t(i) * pitch + j] = sums[e];
    if (!of_w && i < n && j < n) r[(item * n + i) * n + j] = float(sums[e]);
}
