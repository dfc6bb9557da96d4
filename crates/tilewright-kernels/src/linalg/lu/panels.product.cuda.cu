// What is below and to the right of the panel at (k, k) loses the product of its columns and rows: a tile of 64 x 64 a group, 4 x 4 of it a thread.
__shared__ __align__(16) float left[64][36], upper[32][64];
const int t = threadIdx.x, next = int(k) + 32;
const int top = next + 64 * int(threadgroup_position_in_grid.y), side = next + 64 * int(threadgroup_position_in_grid.x);
float* to = lu + size_t(threadgroup_position_in_grid.z) * m * n;
const bool wide = n % 4 == 0 && size_t(lu) % 16 == 0;
const int row = top + t / 16 * 4, column = side + t % 16 * 4;
float x[4][4];
#pragma unroll
for (int i = 0; i < 4; ++i) {
    const float* from = to + size_t(min(row + i, int(m) - 1)) * n;
    if (wide) {
        const ::float4 four = *(const ::float4*)(from + min(column, int(n) - 4));
        x[i][0] = four.x;
        x[i][1] = four.y;
        x[i][2] = four.z;
        x[i][3] = four.w;
    } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) x[i][j] = from[min(column + j, int(n) - 1)];
    }
}
#pragma unroll
for (int i = 0; i < 8; ++i) {
    const int r = t / 32 + 8 * i, c = t % 64;
    left[r][t % 32] = to[size_t(min(top + r, int(m) - 1)) * n + k + t % 32];
    upper[t / 64 + 4 * i][c] = to[size_t(k + t / 64 + 4 * i) * n + min(side + c, int(n) - 1)];
}
// Both factors are there.
__syncthreads();
#pragma unroll
for (int p = 0; p < 32; p += 4) {
    float l[4][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const ::float4 four = *(const ::float4*)&left[t / 16 * 4 + i][p];
        l[i][0] = four.x;
        l[i][1] = four.y;
        l[i][2] = four.z;
        l[i][3] = four.w;
    }
#pragma unroll
    for (int q = 0; q < 4; ++q) {
        const ::float4 u = *(const ::float4*)&upper[p + q][t % 16 * 4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            x[i][0] -= l[i][q] * u.x;
            x[i][1] -= l[i][q] * u.y;
            x[i][2] -= l[i][q] * u.z;
            x[i][3] -= l[i][q] * u.w;
        }
    }
}
#pragma unroll
for (int i = 0; i < 4; ++i) {
    if (row + i >= int(m)) break;
    float* out = to + size_t(row + i) * n + column;
    if (wide) {
        if (column < int(n)) *(::float4*)out = ::make_float4(x[i][0], x[i][1], x[i][2], x[i][3]);
    } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (column + j < int(n)) out[j] = x[i][j];
        }
    }
}
