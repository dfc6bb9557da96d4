// A group for each block of 64 on the diagonal of r, upper: its inverse into x. To the left of it r has zeros.
double* s = (double*)memory;
double* v = s + BLOCK * PITCH;
double* roots = v + BLOCK * PITCH;
const unsigned t = threadIdx.x, k = threadgroup_position_in_grid.x;
const size_t at = size_t(k) * BLOCK * (pitch + 1);
for (unsigned e = t; e < BLOCK * BLOCK; e += 256) {
    const unsigned i = e / BLOCK, j = e % BLOCK;
    const double value = r[at + size_t(i) * pitch + j];
    if (i <= j) s[j * PITCH + i] = value;
    if (i == j) roots[i] = 1.0 / value;
    v[i * PITCH + j] = 0.0;
}
// The block and what its diagonal divides by are there.
__syncthreads();
for (unsigned e = t; e < BLOCK * BLOCK; e += 256) {
    const unsigned i = e / BLOCK, j = e % BLOCK;
    if (i > j) r[at + size_t(i) * pitch + j] = 0.0;
}
for (unsigned i = 0; i < BLOCK; ++i) {
    for (unsigned j = t; j < k * BLOCK; j += 256) r[size_t(k * BLOCK + i) * pitch + j] = 0.0;
}
if (t < 64) invert_half<double>(s, v, roots + t / HALF * HALF, t / HALF * HALF);
// Both halves are inverted.
__syncthreads();
below_times_first<double>(s, v, t, 256);
join_halves<double>(s, v);
for (unsigned e = t; e < BLOCK * BLOCK; e += 256) {
    const unsigned i = e / BLOCK, j = e % BLOCK;
    x[at + size_t(i) * pitch + j] = i <= j ? v[j * PITCH + i] : 0.0;
}
