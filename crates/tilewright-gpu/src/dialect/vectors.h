// Vectors of the Metal dialect: vec<T, N>, its swizzles, the packed forms, and their operators.
// Shared by CUDA and the emulator; follows types.h.

namespace tw_user::metal {

template <class T, int N>
struct vec;

/// The elements alone: what a whole vector is copied as.
template <class T, int N>
struct elements {
    T e[N];
};

/// Elements I... of the vec<T, N> that this lies over: read it as a vector, or assign to those elements.
template <class T, int N, int... I>
struct swizzle {
    using value = vec<T, int(sizeof...(I))>;
    T e[N];

    constexpr operator value() const { return value(e[I]...); }
    TW_FN swizzle& operator=(const value& from) {
        int next = 0;
        ((e[I] = from.e[next++]), ...);
        return *this;
    }
    // Without this, v.xy = w.xy would copy every element of w.
    TW_FN swizzle& operator=(const swizzle& from) { return *this = value(from); }
    template <class X>
    TW_FN swizzle& operator+=(const X& x) { return *this = value(*this) + x; }
    template <class X>
    TW_FN swizzle& operator-=(const X& x) { return *this = value(*this) - x; }
    template <class X>
    TW_FN swizzle& operator*=(const X& x) { return *this = value(*this) * x; }
    template <class X>
    TW_FN swizzle& operator/=(const X& x) { return *this = value(*this) / x; }
};

/// A vector with the size and alignment of its elements, as in memory shared with other programs.
template <class T, int N>
struct packed_vec;

// lanes: how many elements, 0 for what is no vector. vector_t: the vec that it reads as.
template <class V>
struct lanes : integral_constant<int, 0> {};
template <class T, int N>
struct lanes<vec<T, N>> : integral_constant<int, N> {};
template <class T, int N>
struct lanes<packed_vec<T, N>> : integral_constant<int, N> {};
template <class T, int N, int... I>
struct lanes<swizzle<T, N, I...>> : integral_constant<int, int(sizeof...(I))> {};
template <class V>
struct is_vector : bool_constant<lanes<V>::value != 0> {};
template <class V>
struct width : integral_constant<int, is_vector<V>::value ? lanes<V>::value : 1> {};

template <class V>
struct read_as {};
template <class T, int N>
struct read_as<vec<T, N>> {
    using type = vec<T, N>;
    using element = T;
};
template <class T, int N>
struct read_as<packed_vec<T, N>> : read_as<vec<T, N>> {};
template <class T, int N, int... I>
struct read_as<swizzle<T, N, I...>> : read_as<vec<T, int(sizeof...(I))>> {};
template <class V>
using vector_t = typename read_as<remove_cvref_t<V>>::type;
template <class V>
using element_t = typename read_as<remove_cvref_t<V>>::element;

/// The vector type of an operation on A and B: both vectors of one type, or one vector and a scalar.
template <class A, class B, int NA = lanes<A>::value, int NB = lanes<B>::value>
struct vector_result {};
template <class A, class B, int N>
struct vector_result<A, B, N, N> : enable_if<is_same<vector_t<A>, vector_t<B>>::value, vector_t<A>> {};
template <class A, class B>
struct vector_result<A, B, 0, 0> {};
template <class A, class B, int N>
struct vector_result<A, B, N, 0> : enable_if<is_arithmetic<B>::value, vector_t<A>> {};
template <class A, class B, int N>
struct vector_result<A, B, 0, N> : enable_if<is_arithmetic<A>::value, vector_t<B>> {};
template <class A, class B>
using vector_result_t = typename vector_result<A, B>::type;

template <class T, int N, class X>
constexpr void append(elements<T, N>& to, int& next, const X& x) {
    if constexpr (is_vector<X>::value) {
        const vector_t<X> v(x);
        for (int i = 0; i < lanes<X>::value; ++i) to.e[next++] = T(v.e[i]);
    } else {
        to.e[next++] = T(x);
    }
}
template <class T, int N, class... X>
constexpr elements<T, N> gather(const X&... x) {
    elements<T, N> all{};
    int next = 0;
    (append(all, next, x), ...);
    return all;
}

template <class T, int N>
struct vec_names;
template <class T>
struct alignas(2 * sizeof(T)) vec_names<T, 2> {
    template <int... I>
    using s = swizzle<T, 2, I...>;
    union {
        T e[2];
        elements<T, 2> all;
        struct { T x, y; };
        struct { T r, g; };
        s<0, 0> xx;
        s<0, 1> xy, rg;
        s<1, 0> yx, gr;
        s<1, 1> yy;
    };
    vec_names() = default;
    constexpr vec_names(const elements<T, 2>& from) : e{from.e[0], from.e[1]} {}
};
template <class T>
struct alignas(4 * sizeof(T)) vec_names<T, 3> {
    template <int... I>
    using s = swizzle<T, 3, I...>;
    union {
        T e[3];
        elements<T, 3> all;
        struct { T x, y, z; };
        struct { T r, g, b; };
        s<0, 0> xx;
        s<0, 1> xy, rg;
        s<0, 2> xz, rb;
        s<1, 0> yx;
        s<1, 1> yy;
        s<1, 2> yz, gb;
        s<2, 0> zx;
        s<2, 1> zy;
        s<2, 2> zz;
        s<0, 1, 2> xyz, rgb;
        s<0, 2, 1> xzy;
        s<1, 0, 2> yxz;
        s<1, 2, 0> yzx;
        s<2, 0, 1> zxy;
        s<2, 1, 0> zyx, bgr;
    };
    vec_names() = default;
    constexpr vec_names(const elements<T, 3>& from) : e{from.e[0], from.e[1], from.e[2]} {}
};
template <class T>
struct alignas(4 * sizeof(T)) vec_names<T, 4> {
    template <int... I>
    using s = swizzle<T, 4, I...>;
    union {
        T e[4];
        elements<T, 4> all;
        struct { T x, y, z, w; };
        struct { T r, g, b, a; };
        s<0, 0> xx;
        s<0, 1> xy, rg;
        s<0, 2> xz, rb;
        s<0, 3> xw, ra;
        s<1, 0> yx;
        s<1, 1> yy;
        s<1, 2> yz, gb;
        s<1, 3> yw, ga;
        s<2, 0> zx;
        s<2, 1> zy;
        s<2, 2> zz;
        s<2, 3> zw, ba;
        s<3, 0> wx;
        s<3, 1> wy;
        s<3, 2> wz;
        s<3, 3> ww;
        s<0, 1, 2> xyz, rgb;
        s<0, 1, 3> xyw;
        s<0, 2, 3> xzw;
        s<1, 2, 3> yzw, gba;
        s<1, 2, 0> yzx;
        s<2, 0, 1> zxy;
        s<2, 1, 0> zyx, bgr;
        s<0, 1, 2, 3> xyzw, rgba;
        s<1, 0, 3, 2> yxwz;
        s<1, 2, 3, 0> yzwx;
        s<2, 1, 0, 3> zyxw, bgra;
        s<2, 3, 0, 1> zwxy;
        s<3, 0, 1, 2> wxyz;
        s<3, 2, 1, 0> wzyx, abgr;
    };
    vec_names() = default;
    constexpr vec_names(const elements<T, 4>& from) : e{from.e[0], from.e[1], from.e[2], from.e[3]} {}
};

/// N elements of T, aligned to their size; three take the room of four. Multi-component swizzles exist in the orders that
/// vec_names lists. No constructor runs for a default one, so that threadgroup memory can hold it.
template <class T, int N>
struct vec : vec_names<T, N> {
    using names = vec_names<T, N>;
    using element_type = T;

    vec() = default;
    vec(const vec&) = default;
    template <class S, class = enable_if_t<is_arithmetic<S>::value>>
    constexpr vec(S s) : vec(splat(T(s))) {}
    constexpr vec(const packed_vec<T, N>& from) : names(from.all) {}
    template <class V, class = enable_if_t<lanes<V>::value == N && !is_same<vector_t<V>, vec>::value>, class = void>
    constexpr explicit vec(const V& from) : vec(gather<T, N>(from)) {}
    template <class A, class B, class... C,
              class = enable_if_t<((width<A>::value + width<B>::value)+... + width<C>::value) == N>>
    constexpr vec(const A& a, const B& b, const C&... c) : vec(gather<T, N>(a, b, c...)) {}

    TW_FN vec& operator=(const vec& from) {
        this->all = from.all;
        return *this;
    }
    constexpr T& operator[](int i) { return this->e[i]; }
    constexpr const T& operator[](int i) const { return this->e[i]; }

    template <class X>
    constexpr vec& operator+=(const X& x) { return *this = *this + x; }
    template <class X>
    constexpr vec& operator-=(const X& x) { return *this = *this - x; }
    template <class X>
    constexpr vec& operator*=(const X& x) { return *this = *this * x; }
    template <class X>
    constexpr vec& operator/=(const X& x) { return *this = *this / x; }
    template <class X>
    constexpr vec& operator%=(const X& x) { return *this = *this % x; }
    template <class X>
    constexpr vec& operator&=(const X& x) { return *this = *this & x; }
    template <class X>
    constexpr vec& operator|=(const X& x) { return *this = *this | x; }
    template <class X>
    constexpr vec& operator^=(const X& x) { return *this = *this ^ x; }
    template <class X>
    constexpr vec& operator<<=(const X& x) { return *this = *this << x; }
    template <class X>
    constexpr vec& operator>>=(const X& x) { return *this = *this >> x; }

private:
    constexpr vec(const elements<T, N>& from) : names(from) {}
    static constexpr elements<T, N> splat(T s) {
        elements<T, N> all{};
        for (int i = 0; i < N; ++i) all.e[i] = s;
        return all;
    }
};

#define TW_VECTOR_OPERATOR(op, result_element, expression)                            \
    template <class A, class B, class V = vector_result_t<A, B>>                      \
    TW_FN vec<result_element, lanes<V>::value> operator op(const A& a, const B& b) {       \
        using T = element_t<V>;                                                       \
        const V x(a), y(b);                                                           \
        vec<result_element, lanes<V>::value> result;                                       \
        for (int i = 0; i < lanes<V>::value; ++i) {                                        \
            const T p = x.e[i], q = y.e[i];                                           \
            result.e[i] = expression;                                                 \
        }                                                                             \
        return result;                                                                \
    }
TW_VECTOR_OPERATOR(+, element_t<V>, T(p + q))
TW_VECTOR_OPERATOR(-, element_t<V>, T(p - q))
TW_VECTOR_OPERATOR(*, element_t<V>, T(p * q))
TW_VECTOR_OPERATOR(/, element_t<V>, T(p / q))
TW_VECTOR_OPERATOR(%, element_t<V>, T(p % q))
TW_VECTOR_OPERATOR(&, element_t<V>, T(p & q))
TW_VECTOR_OPERATOR(|, element_t<V>, T(p | q))
TW_VECTOR_OPERATOR(^, element_t<V>, T(p ^ q))
// Metal takes a shift count modulo the width, C++ leaves larger ones undefined.
TW_VECTOR_OPERATOR(<<, element_t<V>, T(p << (q & T(sizeof(T) * 8 - 1))))
TW_VECTOR_OPERATOR(>>, element_t<V>, T(p >> (q & T(sizeof(T) * 8 - 1))))
TW_VECTOR_OPERATOR(==, bool, p == q)
TW_VECTOR_OPERATOR(!=, bool, p != q)
TW_VECTOR_OPERATOR(<, bool, p < q)
TW_VECTOR_OPERATOR(<=, bool, p <= q)
TW_VECTOR_OPERATOR(>, bool, p > q)
TW_VECTOR_OPERATOR(>=, bool, p >= q)
TW_VECTOR_OPERATOR(&&, bool, p && q)
TW_VECTOR_OPERATOR(||, bool, p || q)
#undef TW_VECTOR_OPERATOR

#define TW_VECTOR_UNARY(op, result_element, expression)                     \
    template <class A, class V = vector_t<A>>                               \
    TW_FN vec<result_element, lanes<V>::value> operator op(const A& a) {         \
        using T = element_t<V>;                                             \
        const V x(a);                                                       \
        vec<result_element, lanes<V>::value> result;                             \
        for (int i = 0; i < lanes<V>::value; ++i) {                              \
            const T p = x.e[i];                                             \
            result.e[i] = expression;                                       \
        }                                                                   \
        return result;                                                      \
    }
TW_VECTOR_UNARY(+, element_t<V>, p)
TW_VECTOR_UNARY(-, element_t<V>, T(-p))
TW_VECTOR_UNARY(~, element_t<V>, T(~p))
TW_VECTOR_UNARY(!, bool, !p)
#undef TW_VECTOR_UNARY

template <class T, int N>
struct packed_names;
template <class T>
struct packed_names<T, 2> {
    union {
        elements<T, 2> all;
        struct { T x, y; };
        struct { T r, g; };
    };
};
template <class T>
struct packed_names<T, 3> {
    union {
        elements<T, 3> all;
        struct { T x, y, z; };
        struct { T r, g, b; };
    };
};
template <class T>
struct packed_names<T, 4> {
    union {
        elements<T, 4> all;
        struct { T x, y, z, w; };
        struct { T r, g, b, a; };
    };
};
template <class T, int N>
struct packed_vec : packed_names<T, N> {
    packed_vec() = default;
    constexpr packed_vec(const vec<T, N>& v) : packed_names<T, N>{v.all} {}
    template <class A, class B, class... C>
    constexpr packed_vec(const A& a, const B& b, const C&... c) : packed_names<T, N>{gather<T, N>(a, b, c...)} {}
    constexpr T& operator[](int i) { return this->all.e[i]; }
    constexpr const T& operator[](int i) const { return this->all.e[i]; }
};

template <class To, class T, int N, int... I>
TW_FN To as_type(const swizzle<T, N, I...>& from) {
    return as_type<To>(vector_t<swizzle<T, N, I...>>(from));
}

#define TW_VECTOR_NAMES(T)            \
    using T##2 = vec<T, 2>;           \
    using T##3 = vec<T, 3>;           \
    using T##4 = vec<T, 4>;           \
    using packed_##T##2 = packed_vec<T, 2>; \
    using packed_##T##3 = packed_vec<T, 3>; \
    using packed_##T##4 = packed_vec<T, 4>;
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
