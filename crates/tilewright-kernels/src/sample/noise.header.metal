// The arithmetic that decides a draw: noise.rs, statement by statement. Products that feed sums are fma here, so that no compiler may choose.

constant constexpr uint TILE = 1024;  // tokens whose sums are taken in one order

constant constexpr uint HEAT = 0x80000000u;  // marks the number of a tile where the hash takes that of a token, which is less

// Weights of tokens, relative to the likeliest one's, in units of 2^-40.
constant constexpr float UNITS = 1099511627776.0f;

// Keys in the order of the values: 0 for minus infinity, which is no candidate, and the largest for NaN.
inline uint key_of(float x) {
    if (x != x) return 0xffffffffu;
    if (x == -INFINITY) return 0u;
    const uint bits = as_type<uint>(x);
    if (bits == 0x80000000u) return bits;  // -0 is 0
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
inline float value_of(uint key) { return as_type<float>(key & 0x80000000u ? key & 0x7fffffffu : ~key); }

// 2^(d * scale) and its inverse, for limit <= d * scale <= 0.
struct Power {
    float weight, inverse;
};
inline Power power_of(float d, float scale, float limit) {
    const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold
    d = d > limit ? d : limit;
    const float shifted = fma(d, scale, shift);
    const float f = fma(d, scale, -(shifted - shift));
    const float square = f * f;
    const float even = fma(square, fma(square, fma(square, 0.00015452637f, 0.009618084f), 0.24022651f), 1.0f);
    const float odd = fma(square, fma(square, 0.0013390776f, 0.055503573f), 0.6931472f);
    const int exponent = int(as_type<uint>(shifted) << 23);
    Power power;
    power.weight = as_type<float>(as_type<int>(fma(f, odd, even)) + exponent);
    power.inverse = as_type<float>(as_type<int>(fma(-f, odd, even)) - exponent);
    return power;
}
inline ulong units_of(float weight) { return ulong(weight * UNITS); }

// total * fraction / 2^32, for totals below 2^63.
inline ulong part_of(ulong total, uint fraction) {
    return (total >> 32) * fraction + ((total & 0xffffffffu) * fraction >> 32);
}

// A distance in steps of 2^-12, of which no more than 255 counts.
inline uint steps_of(float d) { return uint((d < 255.0f ? d : 255.0f) * 4096.0f); }

inline ulong mixed(ulong x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
    return x ^ (x >> 31);
}
inline ulong keys_of(ulong seed, ulong position) {
    return mixed(mixed(seed + 0x9e3779b97f4a7c15ul) ^ (position + 0xd1b54a32d192ed03ul));
}

// The random bits of a token.
inline uint bits_of(ulong keys, uint token) {
    uint x = token ^ uint(keys);
    x ^= x >> 17;
    x *= 0xed5ad4bbu;
    x ^= (x >> 11) ^ uint(keys >> 32);
    x *= 0xac4c1b51u;
    x ^= x >> 15;
    x *= 0x31848babu;
    return x ^ (x >> 14);
}

// -log2(1 - u), u = (bits + 1/2) / 2^32: an exponential deviate.
inline float exponential_of(uint bits) {
    if (bits < 0x40000000u) {
        const float u = fma(float(bits), 2.3283064e-10f, 1.1641532e-10f);
        float p = fma(u, 0.47626307f, 0.13355307f);
        p = fma(u, p, 0.30774084f);
        p = fma(u, p, 0.35898492f);
        p = fma(u, p, 0.48096544f);
        p = fma(u, p, 0.72134668f);
        p = fma(u, p, 1.442695f);
        return u * p;
    }
    const float v = fma(float(~bits), 2.3283064e-10f, 1.1641532e-10f);
    // v = m * 2^e with m in [sqrt(1/2), sqrt(2))
    const int word = as_type<int>(v) - 0x3f3504f3;
    const int e = word >> 23;
    const float r = as_type<float>(as_type<int>(v) - e * 8388608) - 1.0f;
    float p = fma(r, 0.09703377f, -0.16906331f);
    p = fma(r, p, 0.17205687f);
    p = fma(r, p, -0.17890872f);
    p = fma(r, p, 0.2050435f);
    p = fma(r, p, -0.24046721f);
    p = fma(r, p, 0.28857619f);
    p = fma(r, p, -0.36067414f);
    p = fma(r, p, 0.4808979f);
    p = fma(r, p, -0.72134751f);
    p = fma(r, p, 1.442695f);
    return fma(-r, p, -float(e));
}

// A row's words, as parameters.rs writes them.
constant constexpr uint WORDS = 20;
struct Row {
    uint flags, top_k, top_p, typical, xtc_threshold, xtc_bits, order, want;
    float scale, limit, min_p, sigma;
    ulong keys;
    bool has(uint flag) const { return flags & flag; }
};
constant constexpr uint GREEDY = 1, FILTERED = 2, WARM_TOTAL = 4, COLD_TOTAL = 8, DEVIATION = 16;

inline Row row_of(const device uint* words, ulong step) {
    Row row;
    row.flags = words[0];
    row.scale = as_type<float>(words[1]);
    row.limit = as_type<float>(words[2]);
    row.top_k = words[3];
    row.top_p = words[4];
    row.min_p = as_type<float>(words[5]);
    row.typical = words[6];
    row.sigma = as_type<float>(words[7]);
    row.xtc_threshold = words[8];
    row.xtc_bits = words[9];
    row.order = words[10];
    row.want = words[11];
    const ulong seed = words[12] | ulong(words[13]) << 32, position = words[14] | ulong(words[15]) << 32;
    row.keys = keys_of(seed, position + step);
    return row;
}
