// A sum in A: float, or double on CUDA.
template <typename A, bool COMPENSATED> struct Sum {
    A high;
    void clear() { high = A(0); }
    void add(A x) { high += x; }
    void add_product(A a, A b) { high += a * b; }
    void join(Sum other) { high += other.high; }
    void negate() { high = -high; }
    A value() const { return high; }
    Sum from_lane(ushort distance) const { return Sum{simd_shuffle_xor(high, distance)}; }
    template <typename O> void save(device O* out, ulong index) const { out[index] = O(high); }
    template <typename O> static Sum load(const device O* parts, ulong index) { return Sum{A(parts[index])}; }
};

