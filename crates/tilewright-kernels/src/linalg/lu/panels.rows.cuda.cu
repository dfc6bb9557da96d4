// A thread a column beside the panel at (k, k): its rows change their places, and to the panel's right the top ones lose what the panel's triangle contributes.
__shared__ float triangle[32][33];
__shared__ int moved[64];
const int t = threadIdx.x;
const size_t item = threadgroup_position_in_grid.y;
// Of a panel of fewer columns than rows at its top these change their places all the same.
const int width = min(32, int(n - k)), top = min(32, int(m - k));
float* to = lu + item * m * n;
moved[t] = t % 32 < top ? moves[item * 64 + t] : -1;
for (int e = t; e < 32 * 32; e += 64) {
    const int i = e / 32, c = e % 32;
    triangle[i][c] = i < top && c < i ? to[size_t(k + i) * n + k + c] : 0.0f;
}
// Triangle and moves are there.
__syncthreads();
int j = threadgroup_position_in_grid.x * 64 + t;
if (j >= int(n) - width) return;
const bool right = j >= int(k);
float* column = to + (right ? j + width : j);
float x[32], y[32];
#pragma unroll
for (int c = 0; c < 32; ++c) {
    x[c] = moved[c] >= 0 ? column[size_t(moved[c]) * n] : 0.0f;
    y[c] = moved[32 + c] >= 0 ? column[size_t(k + c) * n] : 0.0f;
}
#pragma unroll
for (int c = 0; c < 32; ++c) {
    if (moved[32 + c] >= 0) column[size_t(moved[32 + c]) * n] = y[c];
}
if (right) {
#pragma unroll
    for (int c = 0; c < 32; ++c) {
#pragma unroll
        for (int q = c + 1; q < 32; ++q) x[q] -= triangle[q][c] * x[c];
    }
}
#pragma unroll
for (int c = 0; c < 32; ++c) {
    if (c < top) column[size_t(k + c) * n] = x[c];
}
