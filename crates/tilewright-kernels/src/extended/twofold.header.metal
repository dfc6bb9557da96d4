// The errors below are exact only if no product is fused with a sum, and sums stay in their order.
#pragma clang fp contract(off)

// A number held as the sum of two floats, of which the low one is at most half a unit in the last place of the high one.
template <typename S> struct Twofold {
    S high, low;
};

// a + b without error (Knuth).
template <typename S> Twofold<S> two_sum(S a, S b) {
    const S sum = a + b;
    const S of_b = sum - a;
    return Twofold<S>{sum, (a - (sum - of_b)) + (b - of_b)};
}

// The same where |a| >= |b|, or a is 0 (Dekker).
template <typename S> Twofold<S> quick_sum(S a, S b) {
    const S sum = a + b;
    return Twofold<S>{sum, b - (sum - a)};
}

// Off by 3 u² at most, relative to the sum.
template <typename S> Twofold<S> plus(Twofold<S> a, Twofold<S> b) {
    const Twofold<S> high = two_sum(a.high, b.high), low = two_sum(a.low, b.low);
    const Twofold<S> sum = quick_sum(high.high, high.low + low.high);
    return quick_sum(sum.high, low.low + sum.low);
}

// Off by 5 u² at most, relative to the product.
template <typename S> Twofold<S> times(Twofold<S> a, Twofold<S> b) {
    const S product = a.high * b.high;
    const S error = fma(a.high, b.high, -product);
    return quick_sum(product, error + fma(a.high, b.low, a.low * b.high));
}
