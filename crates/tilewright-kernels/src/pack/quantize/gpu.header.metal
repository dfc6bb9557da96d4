// Quads of a block's elements; what lies beyond its end is 0.
template <typename T, bool VECTORS>
float4 quad_of(const device T* source, uint quad, uint count) {
    if (VECTORS) return float4(((const device vec<T, 4>*)source)[quad]);
    float4 four = float4(0.0f);
    for (uint i = 0; i < 4; ++i) {
        if (4 * quad + i < count) four[i] = float(source[4 * quad + i]);
    }
    return four;
}

// Bits of magnitudes ascend with them, and NaN's are above infinity's.
inline uint magnitude_of(float4 x) {
    const uint4 bits = as_type<uint4>(x) & 0x7fffffffu;
    return max(max(bits.x, bits.y), max(bits.z, bits.w));
}

// The scale of a block by the bits of its largest magnitude, and what its elements are multiplied by.
struct Scaled {
    float factor, scale;
};
template <int FORMAT>
Scaled scaled_of(uint magnitude) {
    const float largest = FORMAT == NIBBLES ? 7.0f : FORMAT == E4M3 ? 448.0f : FORMAT == E5M2 ? 57344.0f : 127.0f, a = as_type<float>(magnitude);
    const bool tiny = magnitude < 0x0d800000u, finite = magnitude < 0x7f800000u;  // below 2^-100; neither infinite nor NaN
    Scaled scaled;
    scaled.factor = tiny || !finite ? 0.0f : largest / a;
    scaled.scale = tiny ? 0.0f : finite ? a / largest : NAN;
    return scaled;
}

// A factor of 0 makes NaN and infinities NaN, and those 0.
inline int rounded(float x, float factor) {
    const float product = x * factor;
    return product != product ? 0 : int(rint(product));
}

// The byte of one element.
template <int FORMAT>
uint byte_of(float x, float factor) {
    if (FORMAT < E4M3) return uint(rounded(x, factor)) & 255u;
    const float number = factor == 0.0f ? 0.0f : x * factor;
    return FORMAT == E4M3 ? rounded_byte<3, -6>(number) : rounded_byte<2, -14>(number);
}

template <typename V, int FORMAT, bool VECTORS>
void store(device V* target, uint quad, uint count, float4 x, float factor) {
    uint q[4];
    for (uint i = 0; i < 4; ++i) q[i] = byte_of<FORMAT>(x[i], factor);
    if (FORMAT == NIBBLES) {
        const uint low = (q[0] & 15) | (q[1] & 15) << 4, high = (q[2] & 15) | (q[3] & 15) << 4;
        if (VECTORS) {
            ((device ushort*)target)[quad] = ushort(low | high << 8);
        } else {
            target[2 * quad] = V(low);
            if (4 * quad + 2 < count) target[2 * quad + 1] = V(high);
        }
    } else if (VECTORS) {
        ((device uint*)target)[quad] = q[0] | q[1] << 8 | q[2] << 16 | q[3] << 24;
    } else {
        for (uint i = 0; i < 4; ++i) {
            if (4 * quad + i < count) target[4 * quad + i] = V(q[i]);
        }
    }
}
