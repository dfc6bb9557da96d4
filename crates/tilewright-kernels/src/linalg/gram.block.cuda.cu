// A group a matrix: block k of the diagonal of `gram` becomes that of its upper factor r, and its inverse that of x. Rows beyond n are those of 1.
double* s = (double*)memory;
double* v = s + BLOCK * PITCH;
const unsigned t = threadIdx.x;
const size_t at = size_t(threadgroup_position_in_grid.x) * pitch * pitch + size_t(k) * BLOCK * (pitch + 1);
for (unsigned e = t; e < BLOCK * BLOCK; e += 256) {
    const unsigned i = e / BLOCK, j = e % BLOCK;
    s[i * PITCH + j] = i == j && k * BLOCK + i >= n ? 1.0 : gram[at + size_t(i) * pitch + j];
    v[i * PITCH + j] = 0.0;
}
// The block is there.
__syncthreads();
factor_block<double>(s, v, v + BLOCK * PITCH);
for (unsigned e = t; e < BLOCK * BLOCK; e += 256) {
    const unsigned i = e / BLOCK, j = e % BLOCK;
    r[at + size_t(i) * pitch + j] = i <= j ? s[j * PITCH + i] : 0.0;
    x[at + size_t(i) * pitch + j] = i <= j ? v[j * PITCH + i] : 0.0;
}
