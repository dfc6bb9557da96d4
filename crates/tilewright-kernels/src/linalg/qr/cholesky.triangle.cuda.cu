// A group a matrix.
const size_t item = threadgroup_position_in_grid.x;
const unsigned pitch = (n + BLOCK - 1) / BLOCK * BLOCK;
if (second && (state[item] & DONE)) return;
const size_t at = item * pitch * pitch;
triangle(gram + at, n, pitch, second, s + at, x + at, sizes + item * pitch, state + item, (double*)memory);
