// A group of 32 W threads for a matrix of up to 32 Q rows and columns, all of it in registers, and then q in its place.
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
threadgroup S* const rest = parts + W * 32 * Q;
const Matrix matrix = {column, rest, rest + 32 * Q, parts, rest + 64 * Q, rest + 96 * Q, lane, w};

S x[P][Q];
#pragma unroll
for (int p = 0; p < P; ++p) {
#pragma unroll
    for (int block = 0; block < Q; ++block) {
        const uint i = w + W * p, j = lane + 32 * block;
        x[p][block] = i < m && j < n ? from[i * n + j] : S(0);
    }
}
matrix.reflect(x, count);
device S* to = r + ulong(item) * rows * n;
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = w + W * p;
    const bool flip = nonnegative && i < count && matrix.diagonal[i] < S(0);
#pragma unroll
    for (int block = 0; block < Q; ++block) {
        const uint j = lane + 32 * block;
        if (i < rows && j < n) to[i * n + j] = i > j ? S(0) : flip ? -x[p][block] : x[p][block];
    }
}
matrix.form(x, count);
device S* out = q + ulong(item) * m * rows;
#pragma unroll
for (int block = 0; block < Q; ++block) {
    const uint j = lane + 32 * block;
    const bool flip = nonnegative && j < count && matrix.diagonal[j] < S(0);
#pragma unroll
    for (int p = 0; p < P; ++p) {
        const uint i = w + W * p;
        if (i < m && j < rows) out[i * rows + j] = flip ? -x[p][block] : x[p][block];
    }
}
