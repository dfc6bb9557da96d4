// `parts` groups of 256 threads a matrix: the largest of what each sees, NaN before all. One triangle counts.
threadgroup S sums[8];
const uint item = threadgroup_position_in_grid.x / parts, part = threadgroup_position_in_grid.x % parts;
const uint t = thread_index_in_threadgroup;
const ulong elements = ulong(n) * n;
const device S* from = a + item * elements;

S largest = S(0);
for (ulong e = ulong(part) * 256 + t; e < elements; e += ulong(parts) * 256) {
    const ulong i = e / n, j = e % n;
    if (upper ? i > j : i < j) continue;
    const S x = from[e];
    const S size = x < S(0) ? -x : x;
    // NaN is not equal to itself.
    largest = size > largest || size != size ? size : largest;
}
#pragma unroll
for (ushort distance = 16; distance > 0; distance /= 2) {
    const S other = simd_shuffle_xor(largest, distance);
    largest = other > largest || other != other ? other : largest;
}
if (t % 32 == 0) sums[t / 32] = largest;
// All are there before they are compared.
threadgroup_barrier(mem_flags::mem_threadgroup);
if (t == 0) {
    for (uint g = 0; g < 8; ++g) largest = sums[g] > largest || sums[g] != sums[g] ? sums[g] : largest;
    sizes[threadgroup_position_in_grid.x] = largest;
}
