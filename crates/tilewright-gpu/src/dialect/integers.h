// Integer functions of the Metal dialect, over every width and over vectors. Shared by CUDA and the emulator;
// follows math.h.

namespace tw_user::metal {

// On 32 and on 64 bits; narrower integers go through 32.
TW_FN int tw_count_ones(uint v) { return TW_EITHER(__popc(v), __builtin_popcount(v)); }
TW_FN int tw_count_ones(ulong v) { return TW_EITHER(__popcll(v), __builtin_popcountl(v)); }
TW_FN int tw_leading_zeros(uint v) { return TW_EITHER(__clz(int(v)), v ? __builtin_clz(v) : 32); }
TW_FN int tw_leading_zeros(ulong v) { return TW_EITHER(__clzll(long(v)), v ? __builtin_clzl(v) : 64); }
TW_FN ulong tw_swap_halves(ulong v, ulong mask, int by) { return (v & mask) << by | (v >> by & mask); }
TW_FN ulong tw_reversed(ulong v) {
#ifdef __CUDACC_RTC__
    return __brevll(v);
#else
    v = tw_swap_halves(v, 0x5555555555555555ul, 1);
    v = tw_swap_halves(v, 0x3333333333333333ul, 2);
    v = tw_swap_halves(v, 0x0f0f0f0f0f0f0f0ful, 4);
    return __builtin_bswap64(v);
#endif
}
TW_FN ulong tw_high_product(ulong a, ulong b) {
    return TW_EITHER(__umul64hi(a, b), ulong((unsigned __int128)a * b >> 64));
}
TW_FN long tw_high_product(long a, long b) { return TW_EITHER(__mul64hi(a, b), long((__int128)a * b >> 64)); }

template <class T> using tw_register_t = conditional_t<sizeof(T) == 8, ulong, uint>;

/// An integer that holds sums of two T, and of a product and a T, for T of at most 32 bits.
template <class T> using tw_wider_t = conditional_t<is_signed<T>::value, long, ulong>;

template <class X, bool = tw_is_vector<X>::value>
struct tw_integer_like : enable_if<is_integral<X>::value, X> {};
template <class X>
struct tw_integer_like<X, true> : enable_if<is_integral<tw_element_t<X>>::value, tw_vector_t<X>> {};
template <class X> using tw_integer_like_t = typename tw_integer_like<remove_cvref_t<X>>::type;

#define TW_INTEGER_1(name, expression)                                            \
    template <class X, class R = tw_integer_like_t<X>> TW_FN R name(const X& x) { \
        return tw_each<R>(                                                        \
            [](auto v) {                                                          \
                using T = decltype(v);                                            \
                using U = make_unsigned_t<T>;                                     \
                [[maybe_unused]] constexpr int bits = int(sizeof(T)) * 8;         \
                [[maybe_unused]] constexpr int room = bits == 64 ? 64 : 32;       \
                const auto r = tw_register_t<T>(U(v));                            \
                return T(expression);                                             \
            },                                                                    \
            R(x));                                                                \
    }
TW_INTEGER_1(popcount, tw_count_ones(r))
TW_INTEGER_1(clz, tw_leading_zeros(r) - (room - bits))
TW_INTEGER_1(ctz, r ? room - 1 - tw_leading_zeros(r & (~r + 1)) : bits)
TW_INTEGER_1(reverse_bits, tw_reversed(ulong(r)) >> (64 - bits))
#undef TW_INTEGER_1

template <class T> TW_FN T tw_saturated(tw_wider_t<T> sum) {
    const tw_wider_t<T> low = numeric_limits<T>::min(), high = numeric_limits<T>::max();
    return T(sum < low ? low : high < sum ? high : sum);
}
template <class T> TW_FN T tw_add_saturated(T a, T b) {
    if constexpr (sizeof(T) < 8) {
        return tw_saturated<T>(tw_wider_t<T>(a) + tw_wider_t<T>(b));
    } else {
        const T sum = T(ulong(a) + ulong(b));
        if constexpr (is_unsigned<T>::value) return sum < a ? T(~T(0)) : sum;
        else
            return ((a ^ sum) & (b ^ sum)) < 0 ? (a < 0 ? numeric_limits<T>::min() : numeric_limits<T>::max())
                                               : sum;
    }
}
template <class T> TW_FN T tw_subtract_saturated(T a, T b) {
    if constexpr (is_unsigned<T>::value) {
        return a < b ? T(0) : T(a - b);
    } else if constexpr (sizeof(T) < 8) {
        return tw_saturated<T>(tw_wider_t<T>(a) - tw_wider_t<T>(b));
    } else {
        const T result = T(ulong(a) - ulong(b));
        return ((a ^ b) & (a ^ result)) < 0 ? (a < 0 ? numeric_limits<T>::min() : numeric_limits<T>::max())
                                            : result;
    }
}
template <class T> TW_FN T tw_product_high(T a, T b) {
    if constexpr (sizeof(T) == 8) return tw_high_product(a, b);
    else return T(tw_wider_t<T>(a) * tw_wider_t<T>(b) >> (sizeof(T) * 8));
}
template <class T> TW_FN T tw_rotate_left(T a, T by) {
    using U = make_unsigned_t<T>;
    constexpr uint bits = sizeof(T) * 8;
    const uint count = uint(by) & (bits - 1);
    return count ? T(U(U(a) << count) | U(U(a) >> (bits - count))) : a;
}
template <class T> TW_FN make_unsigned_t<T> tw_difference(T a, T b) {
    using U = make_unsigned_t<T>;
    return a < b ? U(U(b) - U(a)) : U(U(a) - U(b));
}

#define TW_INTEGER_2(name, function)                                                         \
    template <class A, class B, class R = tw_integer_like_t<tw_meet_t<A, B>>>                \
    TW_FN R name(const A& a, const B& b) {                                                   \
        return tw_each<R>([](auto v, auto w) { return decltype(v)(function); }, R(a), R(b)); \
    }
TW_INTEGER_2(addsat, tw_add_saturated(v, w))
TW_INTEGER_2(subsat, tw_subtract_saturated(v, w))
TW_INTEGER_2(mulhi, tw_product_high(v, w))
TW_INTEGER_2(rotate, tw_rotate_left(v, w))
TW_INTEGER_2(hadd, (v & w) + ((v ^ w) >> 1))
TW_INTEGER_2(rhadd, (v | w) - ((v ^ w) >> 1))
#undef TW_INTEGER_2

/// |a - b| without overflow, unsigned as in Metal.
template <class A, class B, class R = tw_integer_like_t<tw_meet_t<A, B>>>
TW_FN auto absdiff(const A& a, const B& b) {
    if constexpr (tw_is_vector<R>::value) {
        using U = vec<make_unsigned_t<tw_element_t<R>>, tw_lanes<R>::value>;
        return tw_each<U>([](auto v, auto w) { return tw_difference(v, w); }, R(a), R(b));
    } else {
        return tw_difference(R(a), R(b));
    }
}
template <class A, class B, class C, class R = tw_integer_like_t<tw_meet3_t<A, B, C>>>
TW_FN R madhi(const A& a, const B& b, const C& c) {
    return mulhi(R(a), R(b)) + R(c);
}
template <class A, class B, class C, class R = tw_integer_like_t<tw_meet3_t<A, B, C>>>
TW_FN R madsat(const A& a, const B& b, const C& c) {
    return tw_each<R>(
        [](auto u, auto v, auto w) {
            using T = decltype(u);
            static_assert(sizeof(T) < 8, "madsat of 64-bit integers is not given");
            return tw_saturated<T>(tw_wider_t<T>(u) * tw_wider_t<T>(v) + tw_wider_t<T>(w));
        },
        R(a), R(b), R(c));
}

template <class T> TW_FN make_unsigned_t<T> tw_low_ones(uint count) {
    return count >= sizeof(T) * 8 ? make_unsigned_t<T>(~make_unsigned_t<T>(0))
                                  : make_unsigned_t<T>((make_unsigned_t<T>(1) << count) - 1);
}
/// `count` bits of x from bit `offset` up, extended by the sign for signed types.
template <class X, class R = tw_integer_like_t<X>> TW_FN R extract_bits(const X& x, uint offset, uint count) {
    return tw_each<R>(
        [=](auto v) {
            using T = decltype(v);
            using U = make_unsigned_t<T>;
            if (count == 0u) return T(0);
            const U field = U(U(v) >> offset) & tw_low_ones<T>(count);
            const bool negative = is_signed<T>::value && (field >> (count - 1u) & 1u);
            return T(negative ? U(field | ~tw_low_ones<T>(count)) : field);
        },
        R(x));
}
/// `base` with its `count` bits from `offset` up replaced by the low bits of `insert`.
template <class A, class B, class R = tw_integer_like_t<tw_meet_t<A, B>>>
TW_FN R insert_bits(const A& base, const B& insert, uint offset, uint count) {
    return tw_each<R>(
        [=](auto v, auto w) {
            using T = decltype(v);
            using U = make_unsigned_t<T>;
            const U mask = count == 0u ? U(0) : U(tw_low_ones<T>(count) << offset);
            return T((U(v) & U(~mask)) | (U(U(w) << offset) & mask));
        },
        R(base), R(insert));
}

}  // namespace tw_user::metal
