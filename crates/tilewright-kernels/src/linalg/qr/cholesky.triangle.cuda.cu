// A group a matrix; the first time two, for both attempts.
const unsigned attempts = second ? 1 : 2, attempt = threadgroup_position_in_grid.x % attempts;
const size_t item = threadgroup_position_in_grid.x / attempts;
const unsigned pitch = (n + BLOCK - 1) / BLOCK * BLOCK;
if (second && (state[item] & DONE)) return;
const size_t square = size_t(pitch) * pitch, at = threadgroup_position_in_grid.x * square;
triangle(gram + item * square, n, pitch, second, attempt, s + at, x + at, sizes + item * pitch, state + item, (double*)memory);
