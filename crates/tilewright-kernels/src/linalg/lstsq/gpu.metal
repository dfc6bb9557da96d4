// A SIMD group a column.
const uint column = thread_position_in_grid.x / 32;
if (column >= columns) return;
const uint lane = thread_index_in_simdgroup;
const device S* from = rest + ulong(column / p) * m * p + column % p;
S square = S(0);
for (uint i = lane; i < m; i += 32) square += from[ulong(i) * p] * from[ulong(i) * p];
square = simd_sum(square);
if (lane == 0) out[column] = square;
