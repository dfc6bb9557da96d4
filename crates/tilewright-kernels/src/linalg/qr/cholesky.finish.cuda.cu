// A thread an element of r and of w. The second time they are products with those of the first.
const unsigned pitch = (n + BLOCK - 1) / BLOCK * BLOCK;
const size_t e = size_t(threadgroup_position_in_grid.x) * blockDim.x + threadIdx.x, item = e / (pitch * pitch), at = item * pitch * pitch;
const unsigned i = unsigned(e - at) / pitch, j = unsigned(e - at) % pitch;
if (item >= items || (second && (state[item] & DONE))) return;
double of = 0.0, by = 0.0;
if (!second) {
    of = i <= j ? of_r(s + at, gram + at, sizes + item * pitch, i, j, pitch) : 0.0;
    by = i <= j ? of_w(x + at, sizes + item * pitch, i, j, pitch) : 0.0;
} else {
    for (unsigned k = i; k <= j; ++k) {
        of += of_r(s + at, gram + at, sizes + item * pitch, i, k, pitch) * r_before[at + k * pitch + j];
        by += w_before[at + i * pitch + k] * of_w(x + at, sizes + item * pitch, k, j, pitch);
    }
}
r_wide[e] = of;
w[e] = by;
if (i < n && j < n) r[(item * n + i) * n + j] = float(of);
