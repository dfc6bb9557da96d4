// A group of 32 W threads for W P rows of a tall matrix: the reflections that leave n rows of them, and these.
typedef Reflecting<W, P, 1, S> Matrix;
threadgroup vec<S, 4> column[W * Matrix::PITCH / 4];
threadgroup S tails[W * P];
threadgroup S parts[(W + 3) * 32];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const uint w = t / 32;
const uint groups = (m + W * P - 1) / (W * P);
const ulong piece = threadgroup_position_in_grid.x;
const uint first = uint(piece % groups) * (W * P);
const uint rows = min(uint(W * P), m - first);
const ulong start = (piece / groups * m + first) * n + lane;
threadgroup S* const rest = parts + W * 32;
const Matrix matrix = {column, tails, rest, parts, rest + 32, rest + 64, lane, w};

S x[P][1];
#pragma unroll
for (int p = 0; p < P; ++p) x[p][0] = w + W * p < rows && lane < n ? a[start + (w + W * p) * n] : S(0);
matrix.reflect(x, n);
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = w + W * p;
    if (i < rows && lane < n) reflectors[start + i * n] = x[p][0];
    if (i < n && lane < n) r[(piece * n + i) * n + lane] = i <= lane ? x[p][0] : S(0);
}
if (t < n) tau[piece * n + t] = matrix.taus[t];
