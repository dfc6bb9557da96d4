// Conversion of one element: source -> carrier -> target, rounded once. A carrier holds every value of the formats that it carries.

// How an element's memory is read: as its own type, or as bytes that no type of Metal's stands for.
#define AS_TYPE 0
#define AS_BOOL 1
#define AS_E4M3 2
#define AS_E5M2 3
#define AS_IT_IS 4

#define SIGN 0x80000000u
#define INFINITE 0x7f800000u
#define QUIET 0x7fc00000u

// float, int64_t, uint64_t, and on CUDA double, carry themselves.
template <typename T> struct Carrier { using type = T; };
template <> struct Carrier<half> { using type = float; };
template <> struct Carrier<bfloat> { using type = float; };
template <> struct Carrier<int8_t> { using type = float; };
template <> struct Carrier<int16_t> { using type = float; };
template <> struct Carrier<uint8_t> { using type = float; };
template <> struct Carrier<uint16_t> { using type = float; };
template <> struct Carrier<int32_t> { using type = int64_t; };
template <> struct Carrier<uint32_t> { using type = int64_t; };

// The magnitude of an 8-bit float's field; subnormals are scaled, since a GPU may flush them where they are f32 subnormals.
template <int MANTISSA, int MINIMUM>
uint widen_field(uint field) {
    uint normal = (field << (23 - MANTISSA)) + (uint(126 + MINIMUM) << 23);
    float spacing = as_type<float>(uint(127 + MINIMUM - MANTISSA) << 23);
    return field >> MANTISSA ? normal : as_type<uint>(float(field) * spacing);
}

template <typename T, int KIND> struct Decode {
    static typename Carrier<T>::type from(T x) { return typename Carrier<T>::type(x); }
};
template <> struct Decode<half, AS_TYPE> {
    static float from(half x) {
        uint bits = as_type<ushort>(x);
        return (bits & 0x7fff) > 0x7c00 ? as_type<float>(QUIET | (bits & 0x8000) << 16) : float(x);
    }
};
template <> struct Decode<bfloat, AS_TYPE> {
    static float from(bfloat x) { return as_type<float>(uint(as_type<ushort>(x)) << 16); }
};
template <> struct Decode<uint8_t, AS_BOOL> {
    static float from(uint8_t x) { return x ? 1.0f : 0.0f; }
};
template <> struct Decode<uint8_t, AS_E4M3> {
    static float from(uint8_t x) {
        uint field = x & 0x7f;
        return as_type<float>((field == 0x7f ? QUIET : widen_field<3, -6>(field)) | uint(x & 0x80) << 24);
    }
};
template <> struct Decode<uint8_t, AS_E5M2> {
    static float from(uint8_t x) {
        uint field = x & 0x7f;
        uint magnitude = field > 0x7c ? QUIET : field == 0x7c ? INFINITE : widen_field<2, -14>(field);
        return as_type<float>(magnitude | uint(x & 0x80) << 24);
    }
};

// In f32, rounded to odd: an inexact result gets the neighbour with an odd last bit, so that one more rounding is the only one that counts.
inline float to_odd(float x) { return x; }
inline float to_odd(uint64_t x) {
    uint high = uint(x >> 32);
    uint zeros = high ? uint(clz(high)) : 32 + uint(clz(uint(x)));
    uint shift = zeros < 40 ? 40 - zeros : 0;
    uint64_t lost = x & ((uint64_t(1) << shift) - 1);
    return float(uint(x >> shift) | uint(lost != 0)) * as_type<float>((127 + shift) << 23);
}
inline float to_odd(int64_t x) {
    float magnitude = to_odd(x < 0 ? uint64_t(0) - uint64_t(x) : uint64_t(x));
    return x < 0 ? -magnitude : magnitude;
}
template <typename W> float to_odd(W x) { // double
    if (x != x) {
        return as_type<float>(QUIET | uint(as_type<uint64_t>(x) >> 32 & SIGN));
    }
    float nearest = float(x);
    uint bits = as_type<uint>(nearest);
    bool below = (nearest < 0 ? -W(nearest) : W(nearest)) < (x < 0 ? -x : x);
    return W(nearest) == x || bits & 1 ? nearest : as_type<float>(below ? bits + 1 : bits - 1);
}

// The field of the value with these f32 bits, sign clear and no NaN; beyond the format's largest where the value is.
template <int MANTISSA, int MINIMUM>
uint round_field(uint magnitude) {
    const uint drop = 23 - MANTISSA;
    uint rounded = (magnitude + ((1u << (drop - 1)) - 1) + (magnitude >> drop & 1)) >> drop;
    // Scaled so that the format's smallest number is 1; below 2^MANTISSA, so rint rounds it right.
    float scaled = as_type<float>(magnitude) * as_type<float>(uint(127 + MANTISSA - MINIMUM) << 23);
    bool normal = magnitude >= uint(127 + MINIMUM) << 23;
    return normal ? rounded - (uint(126 + MINIMUM) << MANTISSA) : uint(rint(scaled));
}
template <int MANTISSA, int MINIMUM>
uint8_t round_byte(float x, uint top, uint nan) {
    uint magnitude = as_type<uint>(x) & ~SIGN;
    uint field = magnitude > INFINITE ? nan : min(round_field<MANTISSA, MINIMUM>(magnitude), top);
    return uint8_t(field | (as_type<uint>(x) & SIGN) >> 24);
}

inline float quiet(float x) {
    uint bits = as_type<uint>(x);
    return (bits & ~SIGN) > INFINITE ? as_type<float>(QUIET | (bits & SIGN)) : x;
}

// Toward zero and into range; NaN becomes 0.
template <typename T, typename W> T to_integer(W x) { // float, double
    if (x <= W(numeric_limits<T>::min())) {
        return numeric_limits<T>::min();
    }
    // W(max) may be the power of two above max, which is out of range all the same.
    if (x >= W(numeric_limits<T>::max())) {
        return numeric_limits<T>::max();
    }
    return x == x ? T(x) : T(0);
}
template <typename T> T to_integer(uint64_t x) {
    return x > uint64_t(numeric_limits<T>::max()) ? numeric_limits<T>::max() : T(x);
}
template <typename T> T to_integer(int64_t x) {
    if (x < 0) {
        // An unsigned minimum is 0, and no int64_t is below the minimum of its own type.
        return x < int64_t(numeric_limits<T>::min()) ? numeric_limits<T>::min() : T(x);
    }
    return to_integer<T>(uint64_t(x));
}

template <typename T, bool FLOAT> struct EncodeWide { // integers
    template <typename W> static T from(W x) { return to_integer<T>(x); }
};
template <typename T> struct EncodeWide<T, true> { // double
    template <typename W> static T from(W x) {
        uint64_t nan = (uint64_t(0x7ff8) | (as_type<uint>(to_odd(x)) & SIGN) >> 16) << 48;
        return x == x ? T(x) : as_type<T>(nan);
    }
};
template <typename T, int KIND> struct Encode : EncodeWide<T, is_floating_point<T>::value> {};
template <> struct Encode<float, AS_TYPE> {
    static float from(float x) { return quiet(x); }
    static float from(int64_t x) { return float(x); }
    static float from(uint64_t x) { return float(x); }
    template <typename W> static float from(W x) { return x != x ? to_odd(x) : float(x); } // double
};
template <> struct Encode<half, AS_TYPE> {
    template <typename W> static half from(W x) {
        float odd = to_odd(x);
        uint bits = as_type<uint>(odd);
        bool nan = (bits & ~SIGN) > INFINITE;
        return nan ? as_type<half>(ushort(0x7e00 | (bits & SIGN) >> 16)) : half(odd);
    }
};
template <> struct Encode<bfloat, AS_TYPE> {
    template <typename W> static bfloat from(W x) {
        uint bits = as_type<uint>(to_odd(x));
        uint rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        bool nan = (bits & ~SIGN) > INFINITE;
        return as_type<bfloat>(ushort(nan ? 0x7fc0 | (bits & SIGN) >> 16 : rounded));
    }
};
template <> struct Encode<uint8_t, AS_BOOL> {
    template <typename W> static uint8_t from(W x) { return x != W(0); }
};
template <> struct Encode<uint8_t, AS_E4M3> {
    template <typename W> static uint8_t from(W x) { return round_byte<3, -6>(to_odd(x), 0x7f, 0x7f); }
};
template <> struct Encode<uint8_t, AS_E5M2> {
    template <typename W> static uint8_t from(W x) { return round_byte<2, -14>(to_odd(x), 0x7c, 0x7e); }
};

template <typename S, int FROM, typename D, int TO> struct Convert {
    static D of(S x) { return Encode<D, TO>::from(Decode<S, FROM>::from(x)); }
};
template <typename S> struct Convert<S, AS_IT_IS, S, AS_IT_IS> {
    static S of(S x) { return x; }
};

template <bool LARGE> struct Index { using type = uint; };
template <> struct Index<true> { using type = ulong; };
