// The errors below are exact only if no product is fused with a sum, and sums stay in their order.
#pragma clang fp contract(off)

// A number held as the sum of two floats, of which the low one is at most half a unit in the last place of the high one.
struct Twofold {
    float high, low;
};

// a + b without error (Knuth).
inline Twofold two_sum(float a, float b) {
    const float sum = a + b;
    const float of_b = sum - a;
    return Twofold{sum, (a - (sum - of_b)) + (b - of_b)};
}

// The same where |a| >= |b|, or a is 0 (Dekker).
inline Twofold quick_sum(float a, float b) {
    const float sum = a + b;
    return Twofold{sum, b - (sum - a)};
}

// Off by 3 u² at most, relative to the sum.
inline Twofold plus(Twofold a, Twofold b) {
    const Twofold high = two_sum(a.high, b.high), low = two_sum(a.low, b.low);
    const Twofold sum = quick_sum(high.high, high.low + low.high);
    return quick_sum(sum.high, low.low + sum.low);
}

// Off by 5 u² at most, relative to the product.
inline Twofold times(Twofold a, Twofold b) {
    const float product = a.high * b.high;
    const float error = fma(a.high, b.high, -product);
    return quick_sum(product, error + fma(a.high, b.low, a.low * b.high));
}
