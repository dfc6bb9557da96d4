// The errors below are exact only if no product is fused with a sum, and sums stay in their order.
#pragma clang fp contract(off)

// A number as the sum of two, of which the low one is at most half a unit in the last place of the high one.
template <typename S> struct Twofold {
    S high, low;

    // Less a product, off by a few roundings of roundings.
    void less(S a, S b) {
        const S product = a * b;
        const S error = fma(-a, b, product);
        const S sum = high - product;
        const S of_product = sum - high;
        low += ((high - (sum - of_product)) + (-product - of_product)) + error;
        high = sum;
    }

    // Another one more.
    void add(S other_high, S other_low) {
        const S sum = high + other_high;
        const S of_other = sum - high;
        low += ((high - (sum - of_other)) + (other_high - of_other)) + other_low;
        high = sum;
    }
};
