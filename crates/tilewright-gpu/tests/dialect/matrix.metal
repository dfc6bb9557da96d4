// One SIMD group: a, b [8 * 8] T, c [16 * 16] T, whole numbers; out [9 * 64] float. Eight 8 x 8 matrices: a
// b, a b + 1, a b^T, the tile of c at row 8 column 4, its transpose (origin and all), row * 8 + column
// through thread_elements, 3 on the diagonal, a b stored transposed; then the element of a that each lane
// holds first.
simdgroup_matrix<T, 8, 8> left, right, flipped, tile;
simdgroup_load(left, a);
simdgroup_load(right, b, 8);
simdgroup_load(flipped, b, 8, ulong2(0, 0), true);
simdgroup_float8x8 product, sum = make_filled_simdgroup_matrix<float, 8, 8>(1.0f);
simdgroup_multiply(product, left, right);
simdgroup_store(product, out, 8);
simdgroup_multiply_accumulate(sum, left, right, sum);
simdgroup_store(sum, out + 64, 8);
simdgroup_multiply(sum, left, flipped);
simdgroup_store(sum, out + 128, 8);
threadgroup float scratch[64];
threadgroup T narrow[64];
simdgroup_load(tile, c, 16, ulong2(4, 8));
simdgroup_store(tile, narrow, 8);
simdgroup_barrier(mem_flags::mem_threadgroup);
const uint lane = thread_index_in_simdgroup;
for (uint i = lane; i < 64; i += 32) out[192 + i] = float(narrow[i]);
// Orders these readings before narrow is written again.
simdgroup_barrier(mem_flags::mem_threadgroup);
simdgroup_load(tile, c, 16, ulong2(8, 4), true);
simdgroup_store(tile, narrow, 8);
simdgroup_barrier(mem_flags::mem_threadgroup);
for (uint i = lane; i < 64; i += 32) out[256 + i] = float(narrow[i]);
const uint quad = lane / 4, row = (quad & 4) + (lane / 2) % 4, column = (quad & 2) * 2 + (lane % 2) * 2;
sum.thread_elements()[0] = row * 8 + column;
sum.thread_elements()[1] = row * 8 + column + 1;
simdgroup_store(sum, scratch, 8);
simdgroup_barrier(mem_flags::mem_threadgroup);
for (uint i = lane; i < 64; i += 32) out[320 + i] = scratch[i];
simdgroup_store(simdgroup_float8x8(3.0f), out + 384, 8);
simdgroup_store(product, out + 448, 8, ulong2(0, 0), true);
out[512 + lane] = float(left.thread_elements()[0]);
out[544 + lane] = float(left.thread_elements()[1]);
