// Vectors of the Metal dialect: vec<T, N>, its swizzles, the packed forms, and their operators.
// Shared by CUDA and the emulator; follows types.h.

// The multi-component swizzles that vectors of 2, 3 and 4 have: those that the kernel names (swizzles.rs).
// All 348 of them would cost a third of a second in every compilation.
#define TW_SWIZZLE(N, name, ...) tw_swizzle<T, N, __VA_ARGS__> name;
#ifndef TW_SWIZZLES_2
#define TW_SWIZZLES_2 TW_SWIZZLE(2, xy, 0, 1)
#define TW_SWIZZLES_3 TW_SWIZZLE(3, xy, 0, 1) TW_SWIZZLE(3, yz, 1, 2) TW_SWIZZLE(3, xyz, 0, 1, 2)
#define TW_SWIZZLES_4 TW_SWIZZLE(4, xy, 0, 1) TW_SWIZZLE(4, zw, 2, 3) TW_SWIZZLE(4, xyz, 0, 1, 2)
#endif

namespace tw_user::metal {

template <class T, int N> struct vec;

/// The elements alone: what a whole vector is copied as.
template <class T, int N> struct tw_elements { T e[N]; };

/// Elements I... of the vec<T, N> that this lies over: read it as a vector, or assign to those elements.
template <class T, int N, int... I> struct tw_swizzle {
    using value = vec<T, int(sizeof...(I))>;
    T e[N];

    constexpr operator value() const { return value(e[I]...); }
    constexpr T operator[](int i) const { return value(*this).e[i]; }
    TW_FN tw_swizzle& operator=(const value& from) {
        int next = 0;
        ((e[I] = from.e[next++]), ...);
        return *this;
    }
    // Without this, v.xy = w.xy would copy every element of w.
    TW_FN tw_swizzle& operator=(const tw_swizzle& from) { return *this = value(from); }
    template <class X> TW_FN tw_swizzle& operator+=(const X& x) { return *this = value(*this) + x; }
    template <class X> TW_FN tw_swizzle& operator-=(const X& x) { return *this = value(*this) - x; }
    template <class X> TW_FN tw_swizzle& operator*=(const X& x) { return *this = value(*this) * x; }
    template <class X> TW_FN tw_swizzle& operator/=(const X& x) { return *this = value(*this) / x; }
};

/// A vector with the size and alignment of its elements, as in memory shared with other programs.
template <class T, int N> struct tw_packed_vec;

// tw_lanes: how many elements, 0 for what is no vector. tw_vector_t: the vec that it reads as.
template <class V> struct tw_lanes : integral_constant<int, 0> {};
template <class T, int N> struct tw_lanes<vec<T, N>> : integral_constant<int, N> {};
template <class T, int N> struct tw_lanes<tw_packed_vec<T, N>> : integral_constant<int, N> {};
template <class T, int N, int... I>
struct tw_lanes<tw_swizzle<T, N, I...>> : integral_constant<int, int(sizeof...(I))> {};
template <class V> struct tw_is_vector : bool_constant<tw_lanes<V>::value != 0> {};
template <class V>
struct tw_width : integral_constant<int, tw_is_vector<V>::value ? tw_lanes<V>::value : 1> {};

template <class V> struct tw_read_as {};
template <class T, int N> struct tw_read_as<vec<T, N>> {
    using type = vec<T, N>;
    using element = T;
};
template <class T, int N> struct tw_read_as<tw_packed_vec<T, N>> : tw_read_as<vec<T, N>> {};
template <class T, int N, int... I>
struct tw_read_as<tw_swizzle<T, N, I...>> : tw_read_as<vec<T, int(sizeof...(I))>> {};
template <class V> using tw_vector_t = typename tw_read_as<remove_cvref_t<V>>::type;
template <class V> using tw_element_t = typename tw_read_as<remove_cvref_t<V>>::element;

/// The vector type of an operation on A and B: both vectors of one type, or one vector and a scalar.
template <class A, class B, int NA = tw_lanes<A>::value, int NB = tw_lanes<B>::value>
struct tw_vector_result {};
template <class A, class B, int N>
struct tw_vector_result<A, B, N, N>
    : enable_if<is_same<tw_vector_t<A>, tw_vector_t<B>>::value, tw_vector_t<A>> {};
template <class A, class B> struct tw_vector_result<A, B, 0, 0> {};
template <class A, class B, int N>
struct tw_vector_result<A, B, N, 0> : enable_if<is_arithmetic<B>::value, tw_vector_t<A>> {};
template <class A, class B, int N>
struct tw_vector_result<A, B, 0, N> : enable_if<is_arithmetic<A>::value, tw_vector_t<B>> {};
template <class A, class B> using tw_vector_result_t = typename tw_vector_result<A, B>::type;

template <class T, int N, class X> constexpr void tw_append(tw_elements<T, N>& to, int& next, const X& x) {
    if constexpr (tw_is_vector<X>::value) {
        const tw_vector_t<X> v(x);
        for (int i = 0; i < tw_lanes<X>::value; ++i) to.e[next++] = T(v.e[i]);
    } else {
        to.e[next++] = T(x);
    }
}
template <class T, int N, class... X> constexpr tw_elements<T, N> tw_gather(const X&... x) {
    tw_elements<T, N> all{};
    int next = 0;
    (tw_append(all, next, x), ...);
    return all;
}

template <class T, int N> struct tw_vec_names;
template <class T> struct alignas(2 * sizeof(T)) tw_vec_names<T, 2> {
    union {
        T e[2];
        tw_elements<T, 2> all;
        struct { T x, y; };
        struct { T r, g; };
        TW_SWIZZLES_2
    };
    tw_vec_names() = default;
    constexpr tw_vec_names(const tw_elements<T, 2>& from) : e{from.e[0], from.e[1]} {}
};
template <class T> struct alignas(4 * sizeof(T)) tw_vec_names<T, 3> {
    union {
        T e[3];
        tw_elements<T, 3> all;
        struct { T x, y, z; };
        struct { T r, g, b; };
        TW_SWIZZLES_3
    };
    tw_vec_names() = default;
    constexpr tw_vec_names(const tw_elements<T, 3>& from) : e{from.e[0], from.e[1], from.e[2]} {}
};
template <class T> struct alignas(4 * sizeof(T)) tw_vec_names<T, 4> {
    union {
        T e[4];
        tw_elements<T, 4> all;
        struct { T x, y, z, w; };
        struct { T r, g, b, a; };
        TW_SWIZZLES_4
    };
    tw_vec_names() = default;
    constexpr tw_vec_names(const tw_elements<T, 4>& from) : e{from.e[0], from.e[1], from.e[2], from.e[3]} {}
};

/// N elements of T, aligned to their size; three take the room of four. No constructor runs for a default
/// one, so that threadgroup memory can hold it.
template <class T, int N> struct vec : tw_vec_names<T, N> {
    using names = tw_vec_names<T, N>;
    using element_type = T;

    vec() = default;
    vec(const vec&) = default;
    template <class S, class = enable_if_t<is_arithmetic<S>::value>> constexpr vec(S s) : vec(splat(T(s))) {}
    constexpr vec(const tw_packed_vec<T, N>& from) : names(from.all) {}
    template <class V, class = enable_if_t<tw_lanes<V>::value == N && !is_same<tw_vector_t<V>, vec>::value>,
              class = void>
    constexpr explicit vec(const V& from) : vec(tw_gather<T, N>(from)) {}
    template <
        class A, class B, class... C,
        class = enable_if_t<((tw_width<A>::value + tw_width<B>::value) + ... + tw_width<C>::value) == N>>
    constexpr vec(const A& a, const B& b, const C&... c) : vec(tw_gather<T, N>(a, b, c...)) {}

    TW_FN vec& operator=(const vec& from) {
        this->all = from.all;
        return *this;
    }
    constexpr T& operator[](int i) { return this->e[i]; }
    constexpr const T& operator[](int i) const { return this->e[i]; }

    template <class X> constexpr vec& operator+=(const X& x) { return *this = *this + x; }
    template <class X> constexpr vec& operator-=(const X& x) { return *this = *this - x; }
    template <class X> constexpr vec& operator*=(const X& x) { return *this = *this * x; }
    template <class X> constexpr vec& operator/=(const X& x) { return *this = *this / x; }
    template <class X> constexpr vec& operator%=(const X& x) { return *this = *this % x; }
    template <class X> constexpr vec& operator&=(const X& x) { return *this = *this & x; }
    template <class X> constexpr vec& operator|=(const X& x) { return *this = *this | x; }
    template <class X> constexpr vec& operator^=(const X& x) { return *this = *this ^ x; }
    template <class X> constexpr vec& operator<<=(const X& x) { return *this = *this << x; }
    template <class X> constexpr vec& operator>>=(const X& x) { return *this = *this >> x; }

private:
    constexpr vec(const tw_elements<T, N>& from) : names(from) {}
    static constexpr tw_elements<T, N> splat(T s) {
        tw_elements<T, N> all{};
        for (int i = 0; i < N; ++i) all.e[i] = s;
        return all;
    }
};

#define TW_VECTOR_OPERATOR(op, result_element, expression)                              \
    template <class A, class B, class V = tw_vector_result_t<A, B>>                     \
    TW_FN vec<result_element, tw_lanes<V>::value> operator op(const A& a, const B& b) { \
        using T = tw_element_t<V>;                                                      \
        const V x(a), y(b);                                                             \
        vec<result_element, tw_lanes<V>::value> result;                                 \
        for (int i = 0; i < tw_lanes<V>::value; ++i) {                                  \
            const T p = x.e[i], q = y.e[i];                                             \
            result.e[i] = expression;                                                   \
        }                                                                               \
        return result;                                                                  \
    }
TW_VECTOR_OPERATOR(+, tw_element_t<V>, T(p + q))
TW_VECTOR_OPERATOR(-, tw_element_t<V>, T(p - q))
TW_VECTOR_OPERATOR(*, tw_element_t<V>, T(p* q))
TW_VECTOR_OPERATOR(/, tw_element_t<V>, T(p / q))
TW_VECTOR_OPERATOR(%, tw_element_t<V>, T(p % q))
TW_VECTOR_OPERATOR(&, tw_element_t<V>, T(p& q))
TW_VECTOR_OPERATOR(|, tw_element_t<V>, T(p | q))
TW_VECTOR_OPERATOR(^, tw_element_t<V>, T(p ^ q))
// Metal takes a shift count modulo the width, C++ leaves larger ones undefined.
TW_VECTOR_OPERATOR(<<, tw_element_t<V>, T(p << (q & T(sizeof(T) * 8 - 1))))
TW_VECTOR_OPERATOR(>>, tw_element_t<V>, T(p >> (q & T(sizeof(T) * 8 - 1))))
TW_VECTOR_OPERATOR(==, bool, p == q)
TW_VECTOR_OPERATOR(!=, bool, p != q)
TW_VECTOR_OPERATOR(<, bool, p < q)
TW_VECTOR_OPERATOR(<=, bool, p <= q)
TW_VECTOR_OPERATOR(>, bool, p > q)
TW_VECTOR_OPERATOR(>=, bool, p >= q)
TW_VECTOR_OPERATOR(&&, bool, p&& q)
TW_VECTOR_OPERATOR(||, bool, p || q)
#undef TW_VECTOR_OPERATOR

#define TW_VECTOR_UNARY(op, result_element, expression)                     \
    template <class A, class V = tw_vector_t<A>>                            \
    TW_FN vec<result_element, tw_lanes<V>::value> operator op(const A& a) { \
        using T = tw_element_t<V>;                                          \
        const V x(a);                                                       \
        vec<result_element, tw_lanes<V>::value> result;                     \
        for (int i = 0; i < tw_lanes<V>::value; ++i) {                      \
            const T p = x.e[i];                                             \
            result.e[i] = expression;                                       \
        }                                                                   \
        return result;                                                      \
    }
TW_VECTOR_UNARY(+, tw_element_t<V>, p)
TW_VECTOR_UNARY(-, tw_element_t<V>, T(-p))
TW_VECTOR_UNARY(~, tw_element_t<V>, T(~p))
TW_VECTOR_UNARY(!, bool, !p)
#undef TW_VECTOR_UNARY

template <class T, int N> struct tw_packed_names;
template <class T> struct tw_packed_names<T, 2> {
    union {
        tw_elements<T, 2> all;
        struct { T x, y; };
        struct { T r, g; };
    };
};
template <class T> struct tw_packed_names<T, 3> {
    union {
        tw_elements<T, 3> all;
        struct { T x, y, z; };
        struct { T r, g, b; };
    };
};
template <class T> struct tw_packed_names<T, 4> {
    union {
        tw_elements<T, 4> all;
        struct { T x, y, z, w; };
        struct { T r, g, b, a; };
    };
};
template <class T, int N> struct tw_packed_vec : tw_packed_names<T, N> {
    tw_packed_vec() = default;
    constexpr tw_packed_vec(const vec<T, N>& v) : tw_packed_names<T, N>{v.all} {}
    template <class A, class B, class... C>
    constexpr tw_packed_vec(const A& a, const B& b, const C&... c)
        : tw_packed_names<T, N>{tw_gather<T, N>(a, b, c...)} {}
    constexpr T& operator[](int i) { return this->all.e[i]; }
    constexpr const T& operator[](int i) const { return this->all.e[i]; }
};

template <class To, class T, int N, int... I> TW_FN To as_type(const tw_swizzle<T, N, I...>& from) {
    return as_type<To>(tw_vector_t<tw_swizzle<T, N, I...>>(from));
}

#define TW_VECTOR_NAMES(T)                     \
    using T##2 = vec<T, 2>;                    \
    using T##3 = vec<T, 3>;                    \
    using T##4 = vec<T, 4>;                    \
    using packed_##T##2 = tw_packed_vec<T, 2>; \
    using packed_##T##3 = tw_packed_vec<T, 3>; \
    using packed_##T##4 = tw_packed_vec<T, 4>;
TW_VECTOR_NAMES(bool)
TW_VECTOR_NAMES(char)
TW_VECTOR_NAMES(uchar)
TW_VECTOR_NAMES(short)
TW_VECTOR_NAMES(ushort)
TW_VECTOR_NAMES(int)
TW_VECTOR_NAMES(uint)
TW_VECTOR_NAMES(long)
TW_VECTOR_NAMES(ulong)
TW_VECTOR_NAMES(half)
TW_VECTOR_NAMES(bfloat)
TW_VECTOR_NAMES(float)
#undef TW_VECTOR_NAMES

}  // namespace tw_user::metal
