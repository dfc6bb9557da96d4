// A group of 256 threads a matrix: both triangles of it, over its largest element.
threadgroup S sums[8];
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const device S* from = a + ulong(item) * n * n;
device S* to = scaled + ulong(item) * n * n;

S largest = S(0);
for (uint e = t; e < n * n; e += 256) {
    const uint i = e / n, j = e % n;
    const uint row = upper ? min(i, j) : max(i, j), column = upper ? max(i, j) : min(i, j);
    const S x = from[row * n + column];
    const S size = x < S(0) ? -x : x;
    to[e] = x;
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
for (uint g = 0; g < 8; ++g) largest = sums[g] > largest || sums[g] != sums[g] ? sums[g] : largest;
// The difference of an infinity or NaN with itself is NaN.
const S size = largest - largest != S(0) ? S(NAN) : largest > S(0) ? largest : S(1);
for (uint e = t; e < n * n; e += 256) to[e] /= size;
if (t == 0) scale[item] = size;
