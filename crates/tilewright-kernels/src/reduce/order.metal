// Keys: unsigned words in the order of the values, so that comparing neither flushes subnormal numbers nor meets NaN.

template <int BYTES> struct Word { using type = uint; };
template <> struct Word<8> { using type = ulong; };

// Of a float of 4 or 8 bytes that is not NaN. -0 has the key of 0.
template <typename A>
typename Word<sizeof(A)>::type key_of(A x) {
    using K = typename Word<sizeof(A)>::type;
    const K bits = as_type<K>(x), sign = K(1) << (8 * sizeof(K) - 1);
    // Without branches, between which a compiler would put loads that could be on their way together.
    const K negative = K(0) - (bits >> (8 * sizeof(K) - 1));
    return (bits ^ (negative | sign)) + K(bits == sign);
}
inline uint key_of(int x) { return uint(x) ^ 0x80000000u; }
inline uint key_of(uint x) { return x; }
inline ulong key_of(long x) { return ulong(x) ^ (ulong(1) << 63); }
