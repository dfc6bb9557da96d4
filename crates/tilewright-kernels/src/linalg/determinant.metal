// A SIMD group a matrix: the lanes take the diagonal in turn, each element as a mantissa and an exponent, and count the pairs that the
// permutation puts in the wrong order.
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
if (item >= items) return;
const device float* u = lu + ulong(item) * n * n;
const device int* order = permutation + ulong(item) * n;
float mantissa = 1.0f;
int exponent = 0;
uint wrong = 0;
for (uint i = lane; i < n; i += 32) {
    int more = 0;
    int again = 0;
    const float x = frexp(u[ulong(i) * n + i], more);
    mantissa = frexp(mantissa * x, again);
    exponent += more + again;
    for (uint j = i + 1; j < n; ++j) wrong += order[j] < order[i] ? 1 : 0;
}
// The product of 32 mantissas of at least 1/2 each.
mantissa = simd_product(mantissa);
exponent = simd_sum(exponent);
if (simd_sum(wrong) % 2 == 1) mantissa = -mantissa;
if (lane == 0) {
    // Beyond these exponents the product is 0 or infinite, in two steps as a power of 2 alone may be.
    const int bounded = clamp(exponent, -400, 400);
    det[item] = ldexp(ldexp(mantissa, bounded / 2), bounded - bounded / 2);
    sign[item] = mantissa == 0.0f ? 0.0f : mantissa > 0.0f ? 1.0f : mantissa < 0.0f ? -1.0f : mantissa;
    logarithm[item] = log(fabs(mantissa)) + float(exponent) * 0.69314718056f;
}
