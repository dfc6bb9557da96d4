// 32 threads: out [32 * 6] float. Program-scope constants as sizes, as template arguments and as tables read
// at run time.
const uint i = thread_position_in_grid.x;
float local[rows][columns];
for (int r = 0; r < rows; ++r)
    for (uint c = 0; c < columns; ++c) local[r][c] = r * 10 + c;
threadgroup float shared_rows[rows * columns];
if (i < rows * columns) shared_rows[i] = local[i / columns][i % columns];
threadgroup_barrier(mem_flags::mem_threadgroup);
constexpr float inner[3] = {10, 20, 30};
uint n = i * 6;
out[n++] = table[i % 5] * SCALE;
out[n++] = vectors[i % 2].z + vectors[1][i % 4];
out[n++] = halves[i % 3];
out[n++] = codes[i % 16] + picked<rows>(table, i);
out[n++] = shared_rows[i % 12];
out[n++] = inner[i % 3] + vec<float, rows>(1.0f).z;
