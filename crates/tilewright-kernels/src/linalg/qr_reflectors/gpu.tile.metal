// A group of 32 W threads for a matrix of up to 32 Q rows and columns, all of it in registers.
constexpr int P = 32 * Q / W;
typedef Reflecting<W, P, Q, S> Matrix;
threadgroup vec<S, 4> column[W * Matrix::PITCH / 4];
threadgroup S parts[(W + 4) * 32 * Q];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const uint w = t / 32;
const uint item = threadgroup_position_in_grid.x;
const uint count = min(m, n);
const device S* from = a + ulong(item) * m * n;
device S* to = reflectors + ulong(item) * m * n;
threadgroup S* const rest = parts + W * 32 * Q;
const Matrix matrix = {column, rest, rest + 32 * Q, parts, rest + 64 * Q, rest + 96 * Q, lane, w};

S x[P][Q];
#pragma unroll
for (int p = 0; p < P; ++p) {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        const uint i = w + W * p, j = lane + 32 * q;
        x[p][q] = i < m && j < n ? from[i * n + j] : S(0);
    }
}
matrix.reflect(x, count);
#pragma unroll
for (int p = 0; p < P; ++p) {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        const uint i = w + W * p, j = lane + 32 * q;
        if (i < m && j < n) to[i * n + j] = x[p][q];
    }
}
for (uint k = t; k < count; k += 32 * W) tau[ulong(item) * count + k] = matrix.taus[k];
