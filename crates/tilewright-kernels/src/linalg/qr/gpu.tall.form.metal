// A group of 32 W threads for W P rows of q: the reflections of these rows, applied to the n rows that the pieces above left for them; at the
// top, to the identity.
typedef Reflecting<W, P, 1, S> Matrix;
threadgroup vec<S, 4> column[W * Matrix::PITCH / 4];
threadgroup S parts[(W + 2) * 32];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const uint w = t / 32;
const uint groups = (m + W * P - 1) / (W * P);
const ulong piece = threadgroup_position_in_grid.x;
const uint first = uint(piece % groups) * (W * P);
const uint rows = min(uint(W * P), m - first);
const ulong start = (piece / groups * m + first) * n + lane;
threadgroup S* const rest = parts + W * 32;
// Nothing is scaled here, and no diagonal kept: their places are given away.
const Matrix matrix = {column, parts, rest, parts, rest + 32, rest, lane, w};

S x[P][1];
S vectors[P];
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = w + W * p;
    vectors[p] = i < rows && lane < n ? reflectors[start + i * n] : S(0);
    const bool inside = i < n && lane < n;
    x[p][0] = !inside ? S(0) : top ? S(i == lane) : above[(piece * n + i) * n + lane];
}
if (t < n) matrix.taus[t] = tau[piece * n + t];
// The factors are there before they are read.
threadgroup_barrier(mem_flags::mem_threadgroup);
matrix.apply(x, vectors, n);
const bool flip = nonnegative && lane < n && r[(piece / groups * n + lane) * n + lane] < S(0);
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = w + W * p;
    if (i < rows && lane < n) q[start + i * n] = flip ? -x[p][0] : x[p][0];
}
