// A SIMD group a matrix: the lanes take the diagonal in turn, each element as a mantissa and an exponent, and count the pairs that the
// permutation puts in the wrong order.
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
if (item >= items) return;
const device S* u = lu + ulong(item) * n * n;
const device int* order = permutation + ulong(item) * n;
S mantissa = S(1);
int exponent = 0;
uint wrong = 0;
for (uint i = lane; i < n; i += 32) {
    int more = 0;
    int again = 0;
    const S x = frexp(u[ulong(i) * n + i], more);
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
    const int bounded = clamp(exponent, -2100, 2100);
    det[item] = ldexp(ldexp(mantissa, bounded / 2), bounded - bounded / 2);
    sign[item] = mantissa == S(0) ? S(0) : mantissa > S(0) ? S(1) : mantissa < S(0) ? S(-1) : mantissa;
    // ln 2 as a sum of three floats.
    logarithm[item] = log(fabs(mantissa)) + S(exponent) * (S(0.693147182f) + S(-1.90465421e-9f) + S(-8.78318374e-17f));
}
