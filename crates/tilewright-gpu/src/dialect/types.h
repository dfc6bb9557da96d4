// Scalars of the Metal dialect: integer names, type traits, half, bfloat, limits, as_type.
// Shared by CUDA and the emulator. The target's own header comes first and gives
//   TW_FN                                      prefix of every function
//   tw::half_bits_to_float(unsigned short)     tw::float_to_half_bits(float)     rounding to nearest even
//   tw::bfloat_bits_to_float(unsigned short)   tw::float_to_bfloat_bits(float)
//   tw::bit_cast<To>(from)                     by bytes: vectors assign through a function, which takes them
//   out of
//                                              __builtin_bit_cast's reach
//
// `metal` lies inside `tw_user`, where the user's code lies too. There `using namespace metal` makes Metal's
// names neighbours of the user's own, as at Metal's global scope, and hides what CUDA and C declare globally
// (float4, uint3, abs, min, exp), so that no call or type is ambiguous. A target's header adds to it by
// `namespace tw_user::metal { ... }`; elsewhere the alias at the end of this file gives the usual name.
// What Metal does not have is called tw_ or TW_ something, so that it cannot meet a user's name.

#define METAL_FUNC TW_FN

#undef INFINITY
#undef NAN
#undef HUGE_VALF
#undef MAXFLOAT
#define INFINITY __builtin_bit_cast(float, 0x7f800000u)
#define NAN __builtin_bit_cast(float, 0x7fc00000u)
#define HUGE_VALF INFINITY
#ifndef FLT_MAX
#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_MAX_EXP 128
#define FLT_MIN_EXP (-125)
#define FLT_RADIX 2
#define FLT_MAX 0x1.fffffep127f
#define FLT_MIN 0x1p-126f
#define FLT_EPSILON 0x1p-23f
#endif
#define MAXFLOAT FLT_MAX
#define HALF_DIG 3
#define HALF_MANT_DIG 11
#define HALF_MAX tw_user::metal::numeric_limits<tw_user::metal::half>::max()
#define HALF_MIN tw_user::metal::numeric_limits<tw_user::metal::half>::min()
#define HALF_EPSILON tw_user::metal::numeric_limits<tw_user::metal::half>::epsilon()
#define MAXHALF HALF_MAX
#define HUGE_VALH tw_user::metal::numeric_limits<tw_user::metal::half>::infinity()
#ifndef CHAR_BIT
#define CHAR_BIT 8
#define SCHAR_MIN (-128)
#define SCHAR_MAX 127
#define UCHAR_MAX 255
#define SHRT_MIN (-32768)
#define SHRT_MAX 32767
#define USHRT_MAX 65535
#define INT_MIN (-2147483647 - 1)
#define INT_MAX 2147483647
#define UINT_MAX 4294967295u
#define LONG_MIN (-9223372036854775807l - 1)
#define LONG_MAX 9223372036854775807l
#define ULONG_MAX 18446744073709551615ul
#endif
#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.434294481903251827651f
#define M_LN2_F 0.693147180559945309417f
#define M_LN10_F 2.30258509299404568402f
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.785398163397448309616f
#define M_1_PI_F 0.318309886183790671538f
#define M_2_PI_F 0.636619772367581343076f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.707106781186547524401f
#define M_PI_H tw_user::metal::half(M_PI_F)
#define M_E_H tw_user::metal::half(M_E_F)

namespace tw_user::metal {

using uchar = unsigned char;
using ushort = unsigned short;
using uint = unsigned int;
using ulong = unsigned long;
using int8_t = signed char;
using int16_t = short;
using int32_t = int;
using int64_t = long;
using uint8_t = unsigned char;
using uint16_t = unsigned short;
using uint32_t = unsigned int;
using uint64_t = unsigned long;
using size_t = unsigned long;
using ptrdiff_t = long;
using uintptr_t = unsigned long;
static_assert(sizeof(long) == 8, "Metal's long has 64 bits");

template <class T, T V> struct integral_constant {
    static constexpr T value = V;
    using value_type = T;
    using type = integral_constant;
    constexpr operator T() const { return V; }
};
template <bool B> using bool_constant = integral_constant<bool, B>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

template <bool B, class T, class F> struct conditional { using type = T; };
template <class T, class F> struct conditional<false, T, F> { using type = F; };
template <bool B, class T, class F> using conditional_t = typename conditional<B, T, F>::type;

template <bool B, class T = void> struct enable_if {};
template <class T> struct enable_if<true, T> { using type = T; };
template <bool B, class T = void> using enable_if_t = typename enable_if<B, T>::type;

template <class...> using void_t = void;

template <class T> struct remove_reference { using type = T; };
template <class T> struct remove_reference<T&> { using type = T; };
template <class T> struct remove_reference<T&&> { using type = T; };
template <class T> using remove_reference_t = typename remove_reference<T>::type;

template <class T> struct remove_cv { using type = T; };
template <class T> struct remove_cv<const T> { using type = T; };
template <class T> struct remove_cv<volatile T> { using type = T; };
template <class T> struct remove_cv<const volatile T> { using type = T; };
template <class T> using remove_cv_t = typename remove_cv<T>::type;
template <class T> using remove_cvref_t = remove_cv_t<remove_reference_t<T>>;

template <class T> struct remove_pointer { using type = T; };
template <class T> struct remove_pointer<T*> { using type = T; };
template <class T> using remove_pointer_t = typename remove_pointer<T>::type;

template <class T> T&& declval() noexcept;

template <class A, class B> struct is_same : false_type {};
template <class A> struct is_same<A, A> : true_type {};
template <class T, class... Others>
struct tw_is_one_of : bool_constant<(is_same<T, Others>::value || ...)> {};

template <class Code> struct tw_small_float;
template <class T> struct tw_is_small_float : false_type {};
template <class Code> struct tw_is_small_float<tw_small_float<Code>> : true_type {};

template <class T>
struct is_integral : tw_is_one_of<remove_cv_t<T>, int, uint, long, ulong, bool, char, signed char, uchar,
                                  short, ushort, long long, unsigned long long> {};
// double is no Metal type; it is known here only so that a stray literal meets the same overloads as float.
template <class T>
struct is_floating_point : bool_constant<tw_is_one_of<remove_cv_t<T>, float, double>::value ||
                                         tw_is_small_float<remove_cv_t<T>>::value> {};
template <class T>
struct is_arithmetic : bool_constant<is_integral<T>::value || is_floating_point<T>::value> {};
template <class T, bool = is_integral<T>::value> struct is_signed : is_floating_point<T> {};
template <class T> struct is_signed<T, true> : bool_constant<(T(-1) < T(0))> {};
template <class T> struct is_unsigned : bool_constant<is_integral<T>::value && !is_signed<T>::value> {};
template <class T> struct is_const : false_type {};
template <class T> struct is_const<const T> : true_type {};
template <class T> struct is_pointer : false_type {};
template <class T> struct is_pointer<T*> : true_type {};
template <class T> struct is_reference : bool_constant<!is_same<T, remove_reference_t<T>>::value> {};
template <class T> struct is_enum : bool_constant<__is_enum(T)> {};
template <class T> struct is_class : bool_constant<__is_class(T)> {};
template <class T>
struct is_scalar
    : bool_constant<is_arithmetic<T>::value || is_enum<T>::value || is_pointer<remove_cv_t<T>>::value> {};

template <class To> void tw_converts(To);
template <class From, class To, class = void> struct is_convertible : false_type {};
template <class From, class To>
struct is_convertible<From, To, void_t<decltype(tw_converts<To>(declval<From>()))>> : true_type {};

// For users. The headers ask `::value`: under NVRTC each variable that they name becomes a symbol of every
// module.
#define TW_TRAIT_VALUE(trait) template <class... T> constexpr bool trait##_v = trait<T...>::value;
TW_TRAIT_VALUE(is_same)
TW_TRAIT_VALUE(is_integral)
TW_TRAIT_VALUE(is_floating_point)
TW_TRAIT_VALUE(is_arithmetic)
TW_TRAIT_VALUE(is_signed)
TW_TRAIT_VALUE(is_unsigned)
TW_TRAIT_VALUE(is_const)
TW_TRAIT_VALUE(is_pointer)
TW_TRAIT_VALUE(is_reference)
TW_TRAIT_VALUE(is_enum)
TW_TRAIT_VALUE(is_class)
TW_TRAIT_VALUE(is_scalar)
TW_TRAIT_VALUE(is_convertible)
#undef TW_TRAIT_VALUE

template <class T> struct make_unsigned {
    using type =
        conditional_t<sizeof(T) == 8, ulong,
                      conditional_t<sizeof(T) == 4, uint, conditional_t<sizeof(T) == 2, ushort, uchar>>>;
};
template <class T> using make_unsigned_t = typename make_unsigned<T>::type;
template <class T> struct make_signed {
    using type =
        conditional_t<sizeof(T) == 8, long,
                      conditional_t<sizeof(T) == 4, int, conditional_t<sizeof(T) == 2, short, signed char>>>;
};
template <class T> using make_signed_t = typename make_signed<T>::type;

/// The bits of `from` read as a `To` of the same size.
template <class To, class From> TW_FN To as_type(const From& from) {
    static_assert(sizeof(To) == sizeof(From), "as_type needs two types of one size");
    return tw::bit_cast<To>(from);
}

// The same roundings for constant expressions, where the target's instructions cannot go.
constexpr ushort tw_constant_half_bits(float value) {
    const uint bits = __builtin_bit_cast(uint, value), sign = bits >> 16 & 0x8000u,
               magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return ushort(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return ushort(sign | 0x7c00u);  // 65520 and above round to infinity
    if (magnitude >= 0x38800000u) {
        return ushort(sign | (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
    }
    const uint exponent = magnitude >> 23;
    if (exponent < 102u) return ushort(sign);  // under half of the smallest subnormal, 2^-24
    const uint shift = 126u - exponent, mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    const uint rest = mantissa & ((1u << shift) - 1u), tie = 1u << (shift - 1u), quotient = mantissa >> shift;
    return ushort(sign | (quotient + uint(rest > tie || (rest == tie && (quotient & 1u)))));
}
constexpr float tw_constant_half_value(ushort bits) {
    const uint sign = uint(bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, mantissa = bits & 1023u;
    if (exponent == 31u) return __builtin_bit_cast(float, sign | 0x7f800000u | mantissa << 13);
    if (exponent != 0u) return __builtin_bit_cast(float, sign | (exponent + 112u) << 23 | mantissa << 13);
    return (sign ? -1.0f : 1.0f) * float(mantissa) * 0x1p-24f;
}
constexpr ushort tw_constant_bfloat_bits(float value) {
    const uint bits = __builtin_bit_cast(uint, value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return ushort(bits >> 16 | 0x40u);
    return ushort((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

struct tw_half_code {
    static constexpr ushort encode(float value) {
        return __builtin_is_constant_evaluated() ? tw_constant_half_bits(value)
                                                 : tw::float_to_half_bits(value);
    }
    static constexpr float decode(ushort bits) {
        return __builtin_is_constant_evaluated() ? tw_constant_half_value(bits)
                                                 : tw::half_bits_to_float(bits);
    }
};
struct tw_bfloat_code {
    static constexpr ushort encode(float value) {
        return __builtin_is_constant_evaluated() ? tw_constant_bfloat_bits(value)
                                                 : tw::float_to_bfloat_bits(value);
    }
    static constexpr float decode(ushort bits) {
        return __builtin_is_constant_evaluated() ? __builtin_bit_cast(float, uint(bits) << 16)
                                                 : tw::bfloat_bits_to_float(bits);
    }
};

/// half and bfloat. Converts to and from float without a cast. An operation of two of them, or of one and an
/// integer, is done in float and rounded back; that is the correctly rounded result, as float has more than
/// twice the bits. With a float the built-in operators answer, in float. One hazard: `c ? h : 0.0f` has no
/// common type here, write `T(0)`.
template <class Code> struct tw_small_float {
    ushort bits;

    tw_small_float() = default;
    constexpr tw_small_float(float value) : bits(Code::encode(value)) {}
    constexpr operator float() const { return Code::decode(bits); }

    static constexpr tw_small_float from_bits(uint bits) {
        tw_small_float value(0.0f);
        value.bits = ushort(bits);
        return value;
    }

    template <class X> constexpr tw_small_float& operator+=(X x) { return *this = tw_small_float(*this + x); }
    template <class X> constexpr tw_small_float& operator-=(X x) { return *this = tw_small_float(*this - x); }
    template <class X> constexpr tw_small_float& operator*=(X x) { return *this = tw_small_float(*this * x); }
    template <class X> constexpr tw_small_float& operator/=(X x) { return *this = tw_small_float(*this / x); }
    constexpr tw_small_float& operator++() { return *this += 1; }
    constexpr tw_small_float& operator--() { return *this -= 1; }
    constexpr tw_small_float operator++(int) {
        const tw_small_float old = *this;
        ++*this;
        return old;
    }
    constexpr tw_small_float operator--(int) {
        const tw_small_float old = *this;
        --*this;
        return old;
    }
    constexpr tw_small_float operator+() const { return *this; }
    constexpr tw_small_float operator-() const { return from_bits(bits ^ 0x8000u); }
};

using half = tw_small_float<tw_half_code>;
using bfloat = tw_small_float<tw_bfloat_code>;

#define TW_SMALL_FLOAT_OPERATOR(op)                                                              \
    template <class Code>                                                                        \
    constexpr tw_small_float<Code> operator op(tw_small_float<Code> a, tw_small_float<Code> b) { \
        return tw_small_float<Code>(float(a) op float(b));                                       \
    }                                                                                            \
    template <class Code, class Integer, class = enable_if_t<is_integral<Integer>::value>>       \
    constexpr tw_small_float<Code> operator op(tw_small_float<Code> a, Integer b) {              \
        return a op tw_small_float<Code>(float(b));                                              \
    }                                                                                            \
    template <class Code, class Integer, class = enable_if_t<is_integral<Integer>::value>>       \
    constexpr tw_small_float<Code> operator op(Integer a, tw_small_float<Code> b) {              \
        return tw_small_float<Code>(float(a)) op b;                                              \
    }
TW_SMALL_FLOAT_OPERATOR(+)
TW_SMALL_FLOAT_OPERATOR(-)
TW_SMALL_FLOAT_OPERATOR(*)
TW_SMALL_FLOAT_OPERATOR(/)
#undef TW_SMALL_FLOAT_OPERATOR

template <class T> struct tw_integer_limits {
    static_assert(is_integral<T>::value, "numeric_limits is for arithmetic types");
    static constexpr bool is_specialized = true, is_integer = true, is_exact = true,
                          is_signed = metal::is_signed<T>::value;
    static constexpr bool has_infinity = false, has_quiet_NaN = false, is_bool = is_same<T, bool>::value;
    static constexpr int digits = is_bool ? 1 : int(sizeof(T)) * 8 - int(is_signed),
                         digits10 = digits * 3 / 10, radix = 2;
    static constexpr T min() { return is_signed ? T(make_unsigned_t<T>(1) << (sizeof(T) * 8 - 1)) : T(0); }
    static constexpr T max() { return is_bool ? T(1) : T(~make_unsigned_t<T>(min())); }
    static constexpr T lowest() { return min(); }
    static constexpr T epsilon() { return T(0); }
    static constexpr T infinity() { return T(0); }
    static constexpr T quiet_NaN() { return T(0); }
};

/// Limits of a binary float that is the top `Bits` bits of an encoding with `Mantissa` stored mantissa bits.
template <class T, class Word, int Mantissa> struct tw_float_limits {
    static constexpr int exponent_bits = int(sizeof(Word)) * 8 - 1 - Mantissa;
    static constexpr Word infinity_bits = Word(((Word(1) << exponent_bits) - 1) << Mantissa);
    static constexpr bool is_specialized = true, is_integer = false, is_exact = false, is_signed = true;
    static constexpr bool has_infinity = true, has_quiet_NaN = true;
    static constexpr int digits = Mantissa + 1, digits10 = Mantissa * 3 / 10, radix = 2;
    static constexpr int max_exponent = 1 << (exponent_bits - 1), min_exponent = 3 - max_exponent;
    static constexpr T make(uint bits) {
        if constexpr (sizeof(Word) == 4) return __builtin_bit_cast(float, bits);
        else return T::from_bits(bits);
    }
    static constexpr T min() { return make(Word(1) << Mantissa); }
    static constexpr T max() { return make(infinity_bits - 1u); }
    static constexpr T lowest() { return make((Word(1) << (sizeof(Word) * 8 - 1)) | (infinity_bits - 1u)); }
    static constexpr T denorm_min() { return make(1u); }
    static constexpr T epsilon() { return make(uint(max_exponent - 1 - Mantissa) << Mantissa); }
    static constexpr T round_error() { return T(0.5f); }
    static constexpr T infinity() { return make(infinity_bits); }
    static constexpr T quiet_NaN() { return make(infinity_bits | Word(1) << (Mantissa - 1)); }
    static constexpr T signaling_NaN() { return make(infinity_bits | Word(1) << (Mantissa - 2)); }
};
template <class T> struct tw_limits_of { using type = tw_integer_limits<T>; };
template <> struct tw_limits_of<float> { using type = tw_float_limits<float, uint, 23>; };
template <> struct tw_limits_of<half> { using type = tw_float_limits<half, ushort, 10>; };
template <> struct tw_limits_of<bfloat> { using type = tw_float_limits<bfloat, ushort, 7>; };
template <class T> struct numeric_limits : tw_limits_of<remove_cv_t<T>>::type {};

template <class T, size_t N> struct array {
    T items[N];

    constexpr T& operator[](size_t i) { return items[i]; }
    constexpr const T& operator[](size_t i) const { return items[i]; }
    constexpr T* data() { return items; }
    constexpr const T* data() const { return items; }
    constexpr T* begin() { return items; }
    constexpr const T* begin() const { return items; }
    constexpr T* end() { return items + N; }
    constexpr const T* end() const { return items + N; }
    static constexpr size_t size() { return N; }
};

}  // namespace tw_user::metal

namespace metal = tw_user::metal;
