// `splits` groups for each pair of SIDE x SIDE blocks of each matrix: their part of aT a, over `rows` rows.
__shared__ double shared[SIDE * SIDE * ELEMENTS];
const unsigned blocks = (n + BLOCK - 1) / BLOCK, sides = (blocks + SIDE - 1) / SIDE, pairs = blocks * (blocks + 1) / 2;
const unsigned group = threadgroup_position_in_grid.x;
const unsigned split = group % splits, pair = group / splits % (sides * (sides + 1) / 2);
const size_t item = group / splits / (sides * (sides + 1) / 2);
if (second && (state[item] & DONE)) return;
unsigned high = 0;
while (before(high + 1, sides) <= pair) ++high;
const unsigned low = high + pair - before(high, sides);
gram_part<SIDE>(a + item * m * n, n, wide, split * rows, min(m, (split + 1) * rows), SIDE * high, SIDE * low, parts + (item * splits + split) * pairs * ELEMENTS, shared);
