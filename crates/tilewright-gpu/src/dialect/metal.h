// What MLX puts before every custom kernel, for bodies written against it: names and helpers in plain Metal.
// Goes verbatim to Metal; for CUDA and the emulator through the token pass, after their other headers, into
// the namespace tw_user, where the user's code shares a scope with it as it does globally on Metal.

#ifdef __METAL_VERSION__
#include <metal_math>
#include <metal_stdlib>
using namespace metal;
#define MTL_CONST static constant constexpr const
#else
#define MTL_CONST static constexpr const
#endif

#define MLX_MTL_CONST MTL_CONST
#define MLX_MTL_PRAGMA_UNROLL _Pragma("unroll")
#define MTL_PRAGMA_UNROLL _Pragma("unroll")
#define MLX_MTL_LOOP_UNROLL _Pragma("unroll")

typedef half float16_t;
typedef bfloat bfloat16_t;

inline uint16_t bfloat16_to_uint16(const bfloat16_t x) { return as_type<uint16_t>(x); }
inline bfloat16_t uint16_to_bfloat16(const uint16_t x) { return as_type<bfloat16_t>(x); }

template <typename T, typename U> inline T cast_to(U value) { return static_cast<T>(value); }

template <bool condition, typename T, typename U> struct ConditionalType { using type = T; };
template <typename T, typename U> struct ConditionalType<false, T, U> { using type = U; };

/// Elements of U that a thread takes, so that it moves 8 bytes.
template <typename U> struct WorkPerThread {
    static_assert(sizeof(U) <= 8, "an element has at most 8 bytes");
    MTL_CONST int n = 8 / sizeof(U);
};

template <typename N, typename M> constexpr N ceildiv(N n, M m) { return (n + m - 1) / m; }

/// log(1 + x). The quotient cancels the error that rounding 1 + x makes.
inline float log1p(float x) {
    const float y = 1.0f + x;
    if (y == 1.0f || x == metal::numeric_limits<float>::infinity()) { return x; }
    return x * (metal::log(y) / (y - 1.0f));
}
inline bfloat16_t log1p(bfloat16_t x) { return bfloat16_t(log1p(float(x))); }

struct complex64_t {
    float real;
    float imag;

    complex64_t() = default;
    constexpr complex64_t(float re, float im = 0.0f) : real(re), imag(im) {}
};

constexpr complex64_t operator-(complex64_t a) { return complex64_t(-a.real, -a.imag); }
constexpr complex64_t operator+(complex64_t a, complex64_t b) {
    return complex64_t(a.real + b.real, a.imag + b.imag);
}
constexpr complex64_t operator-(complex64_t a, complex64_t b) {
    return complex64_t(a.real - b.real, a.imag - b.imag);
}
constexpr complex64_t operator*(complex64_t a, complex64_t b) {
    return complex64_t(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real);
}
constexpr complex64_t operator/(complex64_t a, complex64_t b) {
    return complex64_t((a.real * b.real + a.imag * b.imag) / (b.real * b.real + b.imag * b.imag),
                       (a.imag * b.real - a.real * b.imag) / (b.real * b.real + b.imag * b.imag));
}
// Ordered by the real parts, then by the imaginary ones, as NumPy sorts.
constexpr bool operator==(complex64_t a, complex64_t b) { return a.real == b.real && a.imag == b.imag; }
constexpr bool operator!=(complex64_t a, complex64_t b) { return !(a == b); }
constexpr bool operator<(complex64_t a, complex64_t b) {
    return a.real < b.real || (a.real == b.real && a.imag < b.imag);
}
constexpr bool operator>(complex64_t a, complex64_t b) { return b < a; }
constexpr bool operator<=(complex64_t a, complex64_t b) { return a < b || a == b; }
constexpr bool operator>=(complex64_t a, complex64_t b) { return b <= a; }

/// The ends of a type's range: `max` and `min` are infinite where the type has infinity.
template <typename T> struct Limits {
    MTL_CONST T max = metal::numeric_limits<T>::max();
    MTL_CONST T min = metal::numeric_limits<T>::min();
    MTL_CONST T finite_max = metal::numeric_limits<T>::max();
    MTL_CONST T finite_min = metal::numeric_limits<T>::min();
};
template <typename T> struct FloatLimits {
    MTL_CONST T max = metal::numeric_limits<T>::infinity();
    MTL_CONST T min = -metal::numeric_limits<T>::infinity();
    MTL_CONST T finite_max = metal::numeric_limits<T>::max();
    MTL_CONST T finite_min = -metal::numeric_limits<T>::max();
};
template <> struct Limits<float> : FloatLimits<float> {};
template <> struct Limits<half> : FloatLimits<half> {};
template <> struct Limits<bfloat16_t> : FloatLimits<bfloat16_t> {};
template <> struct Limits<bool> {
    MTL_CONST bool max = true;
    MTL_CONST bool min = false;
};
template <> struct Limits<complex64_t> {
    MTL_CONST complex64_t max =
        complex64_t(metal::numeric_limits<float>::infinity(), metal::numeric_limits<float>::infinity());
    MTL_CONST complex64_t min =
        complex64_t(-metal::numeric_limits<float>::infinity(), -metal::numeric_limits<float>::infinity());
};

// Where element `elem` of a row-contiguous array of that shape lies in a strided one. Strides count elements.

template <typename IdxT = int64_t>
METAL_FUNC IdxT elem_to_loc(IdxT elem, constant const int* shape, constant const int64_t* strides, int ndim) {
    IdxT loc = 0;
    for (int i = ndim - 1; i >= 0 && elem > 0; --i) {
        loc += (elem % shape[i]) * IdxT(strides[i]);
        elem /= shape[i];
    }
    return loc;
}

/// x and y count along the last two axes, z over the others. ndim is at least 2.
template <typename IdxT = int64_t>
METAL_FUNC IdxT elem_to_loc(uint3 elem, constant const int* shape, constant const int64_t* strides,
                            int ndim) {
    IdxT loc = elem.x * IdxT(strides[ndim - 1]) + elem.y * IdxT(strides[ndim - 2]);
    for (int i = ndim - 3; i >= 0; --i) {
        loc += (elem.z % shape[i]) * IdxT(strides[i]);
        elem.z /= shape[i];
    }
    return loc;
}

template <typename IdxT = int64_t> METAL_FUNC IdxT elem_to_loc_1(uint elem, constant const int64_t& stride) {
    return elem * IdxT(stride);
}
template <typename IdxT = int64_t>
METAL_FUNC IdxT elem_to_loc_2(uint2 elem, constant const int64_t* strides) {
    return elem.x * IdxT(strides[1]) + elem.y * IdxT(strides[0]);
}
template <typename IdxT = int64_t>
METAL_FUNC IdxT elem_to_loc_3(uint3 elem, constant const int64_t* strides) {
    return elem.x * IdxT(strides[2]) + elem.y * IdxT(strides[1]) + elem.z * IdxT(strides[0]);
}

/// The same for two, and for three, arrays of one shape at once.
template <typename IdxT = int64_t>
METAL_FUNC vec<IdxT, 2> elem_to_loc_2_nd(uint3 elem, constant const int* shape,
                                         constant const int64_t* a_strides, constant const int64_t* b_strides,
                                         int ndim) {
    return vec<IdxT, 2>(elem_to_loc<IdxT>(elem, shape, a_strides, ndim),
                        elem_to_loc<IdxT>(elem, shape, b_strides, ndim));
}
template <typename IdxT = int64_t>
METAL_FUNC vec<IdxT, 3> elem_to_loc_3_nd(uint3 elem, constant const int* shape,
                                         constant const int64_t* a_strides, constant const int64_t* b_strides,
                                         constant const int64_t* c_strides, int ndim) {
    return vec<IdxT, 3>(elem_to_loc<IdxT>(elem, shape, a_strides, ndim),
                        elem_to_loc<IdxT>(elem, shape, b_strides, ndim),
                        elem_to_loc<IdxT>(elem, shape, c_strides, ndim));
}

/// Walks an array of `dim` axes element by element, or `n` at a time.
template <int DIM, typename OffsetT = size_t, bool General = true> struct LoopedElemToLoc {
    int dim;
    OffsetT elem{0};
    OffsetT offset{0};

    LoopedElemToLoc(int axes) : dim(axes) {}

    void next(const constant int* shape, const constant int64_t* strides) { next(1, shape, strides); }
    void next(int n, const constant int* shape, const constant int64_t* strides) {
        elem += n;
        offset = elem_to_loc<OffsetT>(elem, shape, strides, dim);
    }
    OffsetT location() { return offset; }
};
