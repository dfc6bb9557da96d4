// The rounding errors below are exact only if no product is fused with a sum.
#pragma clang fp contract(off)

inline float product_error(float a, float b, float product) { return fma(a, b, -product); }
// double, which no fma takes here: Veltkamp's split in halves of 26 bits, and Dekker's product.
template <typename A> A upper_half(A a) {
    A scaled = a * A(134217729);
    return scaled - (scaled - a);
}
template <typename A> A product_error(A a, A b, A product) {
    A a_high = upper_half(a), b_high = upper_half(b);
    A a_low = a - a_high, b_low = b - b_high;
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
}

// A sum with the part of it that one number cannot hold.
template <typename A> struct Sum<A, true> {
    A high;
    A low;
    void clear() {
        high = A(0);
        low = A(0);
    }
    // The error of the addition, exactly (Knuth's TwoSum).
    void add(A x) {
        A total = high + x;
        A of_x = total - high;
        low += (high - (total - of_x)) + (x - of_x);
        high = total;
    }
    void add_product(A a, A b) {
        A product = a * b;
        add(product);
        low += product_error(a, b, product);
    }
    void join(Sum other) {
        add(other.high);
        low += other.low;
    }
    void negate() {
        high = -high;
        low = -low;
    }
    A value() const { return high + low; }
    Sum from_lane(ushort distance) const { return Sum{simd_shuffle_xor(high, distance), simd_shuffle_xor(low, distance)}; }
    template <typename O> void save(device O* out, ulong index) const {
        out[2 * index] = O(high);
        out[2 * index + 1] = O(low);
    }
    template <typename O> static Sum load(const device O* parts, ulong index) {
        return Sum{A(parts[2 * index]), A(parts[2 * index + 1])};
    }
};
