// WARPS warps a group, each for 32 rows and a block of columns of q; those of most work come first.
const unsigned pitch = (n + BLOCK - 1) / BLOCK * BLOCK, blocks = pitch / BLOCK, tiles = (m + BLOCK * WARPS - 1) / (BLOCK * WARPS);
const unsigned tile = threadgroup_position_in_grid.x % tiles, c = blocks - 1 - threadgroup_position_in_grid.x / tiles % blocks;
const size_t item = threadgroup_position_in_grid.x / tiles / blocks;
if (wanting && (state[item] & DONE)) return;
product<2>(a + item * m * n, m, n, wide, (tile * WARPS + threadIdx.x / 32) * BLOCK, c, w + item * pitch * pitch, pitch, sizes + item * pitch, state[item] & NOISY,
           q + item * m * n);
