// A group a block of B reflections: the upper triangular matrix t with which they are 1 - v t vT. Its inverse has the products of their vectors over the
// diagonal, and on it what their factors are one over (Puglisi); a reflection that is none, whose vector is 0, says 0 there.
constexpr int PITCH = B + 1, SLICES = 512 / B;
S* r = (S*)memory;             // [B][PITCH]
S* x = r + B * PITCH;          // [B][PITCH]
S* parts = x + B * PITCH;      // [SLICES][B]
const int t = threadIdx.x, column = t % B, slice = t / B;
const size_t block = threadgroup_position_in_grid.x;
for (int e = t; e < B * B; e += 512) r[e / B * PITCH + e % B] = products[block * B * B + e];
// They are there.
__syncthreads();
for (int i = B - 1; i >= 0; --i) {
    S sum = S(0);
    for (int l = i + 1 + slice; l <= column; l += SLICES) sum += r[i * PITCH + l] * x[l * PITCH + column];
    parts[slice * B + column] = sum;
    // All slices are there.
    __syncthreads();
    if (slice == 0) {
        sum = i == column ? S(-1) : S(0);
#pragma unroll
        for (int part = 0; part < SLICES; ++part) sum += parts[part * B + column];
        const S own = inverse_taus[block * B + i];
        const S value = column < i ? S(0) : own == S(0) ? -sum : -sum / own;
        x[i * PITCH + column] = value;
        triangles[block * B * B + i * B + column] = value;
    }
    // As is the row.
    __syncthreads();
}
