// A group a matrix: block k of the diagonal of `rest` becomes that of the factor, and its inverse x. Rows beyond n are those of 1.
float* s = (float*)memory;
float* v = s + BLOCK * PITCH;
float* roots = v + BLOCK * PITCH;
const unsigned t = threadIdx.x;
const size_t item = threadgroup_position_in_grid.x, at = item * n * n;
for (unsigned e = t; e < BLOCK * BLOCK; e += 256) {
    const unsigned i = e / BLOCK, j = e % BLOCK;
    const unsigned row = k * BLOCK + i, column = k * BLOCK + j;
    float value = i == j ? 1.0f : 0.0f;
    if (j <= i && row < n) value = upper ? rest[at + size_t(column) * n + row] : rest[at + size_t(row) * n + column];
    s[i * PITCH + j] = value;
    v[i * PITCH + j] = 0.0f;
}
// The block is there.
__syncthreads();
factor_block<float>(s, v, roots);
for (unsigned e = t; e < BLOCK * BLOCK; e += 256) {
    const unsigned i = e / BLOCK, j = e % BLOCK;
    const unsigned row = k * BLOCK + i, column = k * BLOCK + j;
    if (j <= i && row < n) factor[upper ? at + size_t(column) * n + row : at + size_t(row) * n + column] = s[i * PITCH + j];
    x[item * BLOCK * BLOCK + e] = v[i * PITCH + j];
}
if (t < 32) {
    // No pivot is 0, negative, infinite or no number.
    const bool low = !(roots[t] > 0.0f && roots[t] - roots[t] == 0.0f);
    const bool high = !(roots[t + 32] > 0.0f && roots[t + 32] - roots[t + 32] == 0.0f);
    const unsigned lows = __ballot_sync(0xffffffffu, low), highs = __ballot_sync(0xffffffffu, high);
    const int first = lows ? __ffs(lows) : highs ? 32 + __ffs(highs) : 0;
    if (t == 0 && (k == 0 || info[item] == 0)) info[item] = first ? int(k * BLOCK) + first : 0;
}
