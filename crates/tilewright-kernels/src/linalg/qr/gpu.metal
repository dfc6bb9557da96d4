// An element of r, `rows` x n, or with Q one of q, m x columns: with the sign of the reflections' matrix, or with the diagonal's.
const ulong e = thread_position_in_grid.x;
if (Q) {
    const uint columns = uint(from_shape[from_ndim - 1]);
    const ulong item = e / (ulong(m) * columns);
    const uint j = uint(e % columns);
    const bool flip = j < min(m, n) && packed[item * m * n + ulong(j) * n + j] < S(0);
    out[e] = flip ? -from[e] : from[e];
} else {
    const ulong item = e / (ulong(rows) * n);
    const uint i = uint(e / n % rows), j = uint(e % n);
    const bool flip = nonnegative && i < min(m, n) && packed[item * m * n + ulong(i) * n + i] < S(0);
    const S x = i <= j ? packed[item * m * n + ulong(i) * n + j] : S(0);
    out[e] = flip ? -x : x;
}
