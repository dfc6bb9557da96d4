// A SIMD group an element of the residual b - a x, rows x and b, in the order of the elimination: lanes take the columns in turn.
const uint e = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
if (e >= elements) return;
const uint column = e / n, item = column / k;
const uint row = uint(permutation[item * n + e % n]);
const device S* of_a = a + (ulong(item) * n + row) * n;
const device S* of_x = x + ulong(column) * n;
Twofold<S> sum = {lane == 0 ? b[ulong(column) * n + row] : S(0), S(0)};
for (uint j = lane; j < n; j += 32) sum.less(of_a[j], of_x[j]);
#pragma unroll
for (ushort distance = 16; distance > 0; distance /= 2) {
    const S high = simd_shuffle_xor(sum.high, distance), low = simd_shuffle_xor(sum.low, distance);
    sum.add(high, low);
}
if (lane == 0) out[e] = sum.high + sum.low;
