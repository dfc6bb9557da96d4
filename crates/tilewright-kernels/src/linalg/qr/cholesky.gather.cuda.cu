// A group for each row of each block of aT a: the sum of the parts.
__shared__ double shared[GATHERERS * BLOCK];
const unsigned blocks = (n + BLOCK - 1) / BLOCK, pairs = blocks * (blocks + 1) / 2, pitch = BLOCK * blocks;
const unsigned r = threadgroup_position_in_grid.x % BLOCK, pair = threadgroup_position_in_grid.x / BLOCK % pairs;
const size_t item = threadgroup_position_in_grid.x / BLOCK / pairs;
if (second && (state[item] & DONE)) return;
unsigned high = 0;
while (before(high + 1, blocks) <= pair) ++high;
const unsigned i = BLOCK * high + r, j = BLOCK * (high + pair - before(high, blocks)) + threadIdx.x % BLOCK;
const double sum = gathered(parts + (item * splits * pairs + pair) * ELEMENTS + r * BLOCK, size_t(pairs) * ELEMENTS, splits, shared);
if (threadIdx.x < BLOCK) {
    double* to = gram + item * pitch * pitch;
    to[size_t(i) * pitch + j] = sum;
    if (i / BLOCK != j / BLOCK) to[size_t(j) * pitch + i] = sum;
}
