// Math of the Metal dialect over float, half, bfloat, integers and vectors, with metal::precise and
// metal::fast. Shared by CUDA and the emulator; follows vectors.h. The plain names are the precise ones, as
// with Metal's safe math mode. half and bfloat go through float and are rounded at the end. A function of
// float takes an integer as a float.

// The one place where the two targets name an operation differently. The emulator's header includes <math.h>.
#ifdef __CUDACC_RTC__
#define TW_EITHER(cuda, host) cuda
#else
#define TW_EITHER(cuda, host) host
#endif

namespace tw_user::metal {

/// The type in which A and B meet: A if both are A (ushort stays ushort), else that of a + b.
template <class A, class B> struct tw_meet {
    using type = remove_cvref_t<decltype(declval<const A&>() + declval<const B&>())>;
};
template <class A>
struct tw_meet<A, A>
    : conditional_t<tw_is_vector<A>::value, tw_read_as<A>, enable_if<is_arithmetic<A>::value, A>> {};
template <class A, class B> using tw_meet_t = typename tw_meet<remove_cvref_t<A>, remove_cvref_t<B>>::type;
template <class A, class B, class C> using tw_meet3_t = tw_meet_t<tw_meet_t<A, B>, C>;

/// What a function of floats answers for an X that is no plain float: small floats and vectors keep their
/// type.
template <class X, bool = tw_is_vector<X>::value>
struct tw_float_like : enable_if<tw_is_small_float<X>::value, X> {};
template <class X>
struct tw_float_like<X, true> : enable_if<is_floating_point<tw_element_t<X>>::value, tw_vector_t<X>> {};
template <class X> using tw_float_like_t = typename tw_float_like<remove_cvref_t<X>>::type;

/// `function` of the elements at each place, or of the scalars themselves.
template <class R, class Function, class... X> TW_FN R tw_each(Function function, const X&... x) {
    if constexpr (tw_is_vector<R>::value) {
        R result;
        for (int i = 0; i < tw_lanes<R>::value; ++i) result.e[i] = function(x.e[i]...);
        return result;
    } else {
        return function(x...);
    }
}

#define TW_FLOAT_1(name, expression)                                                  \
    TW_FN float name(float x) { return expression; }                                 \
    template <class X, class R = tw_float_like_t<X>> TW_FN R name(const X& x) {      \
        return tw_each<R>([](auto v) { return decltype(v)(name(float(v))); }, R(x)); \
    }
#define TW_FLOAT_2(name, expression)                                                                          \
    TW_FN float name(float x, float y) { return expression; }                                                \
    template <class A, class B, class R = tw_float_like_t<tw_meet_t<A, B>>>                                  \
    TW_FN R name(const A& x, const B& y) {                                                                   \
        return tw_each<R>([](auto v, auto w) { return decltype(v)(name(float(v), float(w))); }, R(x), R(y)); \
    }
#define TW_FLOAT_3(name, expression)                                                                       \
    TW_FN float name(float x, float y, float z) { return expression; }                                    \
    template <class A, class B, class C, class R = tw_float_like_t<tw_meet3_t<A, B, C>>>                  \
    TW_FN R name(const A& x, const B& y, const C& z) {                                                    \
        return tw_each<R>(                                                                                \
            [](auto u, auto v, auto w) { return decltype(u)(name(float(u), float(v), float(w))); }, R(x), \
            R(y), R(z));                                                                                  \
    }

// double is no Metal type, but what a template argument of f64 becomes on CUDA. The standard functions know
// it; the others refuse it, so that nothing is rounded to float in silence. Templates: an integer still goes
// to float.
template <class X> using tw_if_double = enable_if_t<is_same<X, double>::value, double>;
#define TW_MATH_1(name, expression) \
    TW_FLOAT_1(name, expression)    \
    template <class X, class R = tw_if_double<X>> TW_FN R name(X x) = delete;
#define TW_MATH_2(name, expression) \
    TW_FLOAT_2(name, expression)    \
    template <class X, class R = tw_if_double<X>> TW_FN R name(X x, X y) = delete;
#define TW_MATH_3(name, expression) \
    TW_FLOAT_3(name, expression)    \
    template <class X, class R = tw_if_double<X>> TW_FN R name(X x, X y, X z) = delete;
#define TW_STANDARD_1(name)         \
    TW_FLOAT_1(name, ::name##f(x)) \
    template <class X, class R = tw_if_double<X>> TW_FN R name(X x) { return ::name(x); }
#define TW_STANDARD_2(name)            \
    TW_FLOAT_2(name, ::name##f(x, y)) \
    template <class X, class R = tw_if_double<X>> TW_FN R name(X x, X y) { return ::name(x, y); }
#define TW_STANDARD_3(name)               \
    TW_FLOAT_3(name, ::name##f(x, y, z)) \
    template <class X, class R = tw_if_double<X>> TW_FN R name(X x, X y, X z) { return ::name(x, y, z); }

TW_STANDARD_1(acos)
TW_STANDARD_1(acosh)
TW_STANDARD_1(asin)
TW_STANDARD_1(asinh)
TW_STANDARD_1(atan)
TW_STANDARD_1(atanh)
TW_STANDARD_1(ceil)
TW_STANDARD_1(cos)
TW_STANDARD_1(cosh)
TW_MATH_1(cospi, TW_EITHER(::cospif(x), float(::cos(double(M_PI_F) * ::remainder(double(x), 2.0)))))
TW_STANDARD_1(exp)
TW_STANDARD_1(exp2)
TW_MATH_1(exp10, TW_EITHER(::exp10f(x), float(::pow(10.0, double(x)))))
TW_STANDARD_1(fabs)
TW_STANDARD_1(floor)
TW_MATH_1(fract, ::fminf(x - ::floorf(x), 0x1.fffffep-1f))
TW_STANDARD_1(log)
TW_STANDARD_1(log2)
TW_STANDARD_1(log10)
TW_STANDARD_1(rint)
TW_STANDARD_1(round)
TW_MATH_1(rsqrt, TW_EITHER(::rsqrtf(x), float(1.0 / ::sqrt(double(x)))))
TW_MATH_1(saturate, ::fminf(::fmaxf(x, 0.0f), 1.0f))
TW_MATH_1(sign, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? x : 0.0f)
TW_STANDARD_1(sin)
TW_STANDARD_1(sinh)
TW_MATH_1(sinpi, TW_EITHER(::sinpif(x), float(::sin(3.14159265358979323846 * ::remainder(double(x), 2.0)))))
TW_STANDARD_1(sqrt)
TW_STANDARD_1(tan)
TW_STANDARD_1(tanh)
TW_MATH_1(tanpi, sinpi(x) / cospi(x))
TW_STANDARD_1(trunc)
TW_STANDARD_2(atan2)
TW_STANDARD_2(copysign)
TW_MATH_2(divide, x / y)
TW_STANDARD_2(fdim)
TW_STANDARD_2(fmax)
TW_STANDARD_2(fmin)
TW_STANDARD_2(fmod)
TW_STANDARD_2(nextafter)
TW_STANDARD_2(pow)
TW_MATH_2(powr, ::powf(x, y))
TW_MATH_2(step, y < x ? 0.0f : 1.0f)
TW_STANDARD_3(fma)
TW_MATH_3(mix, x + (y - x) * z)
TW_FN float tw_smoothstep_unit(float t) { return t * t * (3.0f - 2.0f * t); }
TW_MATH_3(smoothstep, tw_smoothstep_unit(saturate((z - x) / (y - x))))
TW_MATH_3(fmin3, ::fminf(::fminf(x, y), z))
TW_MATH_3(fmax3, ::fmaxf(::fmaxf(x, y), z))
TW_MATH_3(fmedian3, ::fmaxf(::fminf(x, y), ::fminf(::fmaxf(x, y), z)))

/// Functions with a second result through a reference, and those with an integer beside the float.
TW_FN float sincos(float x, float& cosine) {
    cosine = ::cosf(x);
    return ::sinf(x);
}
TW_FN float frexp(float x, int& exponent) { return ::frexpf(x, &exponent); }
TW_FN float modf(float x, float& whole) { return ::modff(x, &whole); }
TW_FN float ldexp(float x, int exponent) { return ::ldexpf(x, exponent); }
TW_FN int ilogb(float x) { return ::ilogbf(x); }
template <class X, class R = tw_if_double<X>> TW_FN R frexp(X x, int& exponent) { return ::frexp(x, &exponent); }
template <class X, class R = tw_if_double<X>> TW_FN R ldexp(X x, int exponent) { return ::ldexp(x, exponent); }
template <class X, class R = tw_float_like_t<X>> TW_FN R sincos(const X& x, R& cosine) {
    cosine = cos(x);
    return sin(x);
}
template <class X, class R = tw_float_like_t<X>> TW_FN R modf(const X& x, R& whole) {
    whole = trunc(x);
    return copysign(x - whole, x);
}
template <class Code> TW_FN tw_small_float<Code> frexp(tw_small_float<Code> x, int& exponent) {
    return tw_small_float<Code>(::frexpf(float(x), &exponent));
}
template <class Code> TW_FN tw_small_float<Code> ldexp(tw_small_float<Code> x, int exponent) {
    return tw_small_float<Code>(::ldexpf(float(x), exponent));
}
template <class T, int N> TW_FN vec<T, N> frexp(const vec<T, N>& x, vec<int, N>& exponent) {
    vec<T, N> result;
    for (int i = 0; i < N; ++i) result.e[i] = frexp(x.e[i], exponent.e[i]);
    return result;
}
template <class T, int N> TW_FN vec<T, N> ldexp(const vec<T, N>& x, const vec<int, N>& exponent) {
    vec<T, N> result;
    for (int i = 0; i < N; ++i) result.e[i] = ldexp(x.e[i], exponent.e[i]);
    return result;
}

// By their bits, so that no compiler option can reason them away.
#define TW_CLASSIFY(name, expression)                                                                   \
    TW_FN bool name(float x) {                                                                          \
        [[maybe_unused]] const uint bits = __builtin_bit_cast(uint, x), magnitude = bits & 0x7fffffffu; \
        return expression;                                                                              \
    }                                                                                                   \
    template <class X, class V = tw_float_like_t<X>> TW_FN auto name(const X& x) {                      \
        using R = conditional_t<tw_is_vector<V>::value, vec<bool, tw_width<V>::value>, bool>;           \
        return tw_each<R>([](auto v) { return name(float(v)); }, V(x));                                 \
    }                                                                                                   \
    template <class X, class R = tw_if_double<X>> TW_FN bool name(X x) = delete;
TW_CLASSIFY(isfinite, magnitude < 0x7f800000u)
TW_CLASSIFY(isinf, magnitude == 0x7f800000u)
TW_CLASSIFY(isnan, magnitude > 0x7f800000u)
TW_CLASSIFY(isnormal, magnitude < 0x7f800000u && magnitude >= 0x00800000u)
TW_CLASSIFY(signbit, (bits & ~magnitude) != 0u)

template <class T> TW_FN T tw_lesser(T a, T b) {
    if constexpr (is_same<T, double>::value) return ::fmin(a, b);
    else if constexpr (is_floating_point<T>::value) return T(::fminf(float(a), float(b)));
    else return b < a ? b : a;
}
template <class T> TW_FN T tw_greater(T a, T b) {
    if constexpr (is_same<T, double>::value) return ::fmax(a, b);
    else if constexpr (is_floating_point<T>::value) return T(::fmaxf(float(a), float(b)));
    else return a < b ? b : a;
}
/// min, max, clamp: of floats as fmin and fmax, so that a NaN yields the other operand. Operands may differ
/// in type.
template <class A, class B, class R = tw_meet_t<A, B>> TW_FN R min(const A& a, const B& b) {
    return tw_each<R>([](auto v, auto w) { return tw_lesser(v, w); }, R(a), R(b));
}
template <class A, class B, class R = tw_meet_t<A, B>> TW_FN R max(const A& a, const B& b) {
    return tw_each<R>([](auto v, auto w) { return tw_greater(v, w); }, R(a), R(b));
}
template <class A, class B, class C, class R = tw_meet3_t<A, B, C>>
TW_FN R clamp(const A& x, const B& low, const C& high) {
    return min(max(R(x), R(low)), R(high));
}
template <class A, class B, class C, class R = tw_meet3_t<A, B, C>>
TW_FN R min3(const A& a, const B& b, const C& c) {
    return min(min(R(a), R(b)), R(c));
}
template <class A, class B, class C, class R = tw_meet3_t<A, B, C>>
TW_FN R max3(const A& a, const B& b, const C& c) {
    return max(max(R(a), R(b)), R(c));
}
template <class A, class B, class C, class R = tw_meet3_t<A, B, C>>
TW_FN R median3(const A& a, const B& b, const C& c) {
    return max(min(R(a), R(b)), min(max(R(a), R(b)), R(c)));
}
template <class X, class R = tw_meet_t<X, X>> TW_FN R abs(const X& x) {
    return tw_each<R>(
        [](auto v) {
            using T = decltype(v);
            if constexpr (is_same<T, double>::value) return ::fabs(v);
            else if constexpr (is_floating_point<T>::value) return T(::fabsf(float(v)));
            else return v < T(0) ? T(-v) : v;
        },
        R(x));
}
/// b where c, else a.
template <class A, class B, class C, class R = tw_meet_t<A, B>>
TW_FN R select(const A& a, const B& b, const C& c) {
    if constexpr (tw_is_vector<C>::value)
        return tw_each<R>([](auto v, auto w, auto p) { return p ? w : v; }, R(a), R(b), tw_vector_t<C>(c));
    else return c ? R(b) : R(a);
}

TW_FN bool any(bool a) { return a; }
TW_FN bool all(bool a) { return a; }
template <int N> TW_FN bool any(const vec<bool, N>& a) {
    bool result = false;
    for (int i = 0; i < N; ++i) result = result || a.e[i];
    return result;
}
template <int N> TW_FN bool all(const vec<bool, N>& a) {
    bool result = true;
    for (int i = 0; i < N; ++i) result = result && a.e[i];
    return result;
}

template <class A, class B, class V = tw_vector_result_t<A, B>>
TW_FN tw_element_t<V> dot(const A& a, const B& b) {
    const V x(a), y(b);
    tw_element_t<V> sum = x.e[0] * y.e[0];
    for (int i = 1; i < tw_lanes<V>::value; ++i) sum = sum + x.e[i] * y.e[i];
    return sum;
}
template <class A, class V = tw_vector_t<A>> TW_FN tw_element_t<V> length_squared(const A& a) {
    return dot(a, a);
}
template <class A, class V = tw_vector_t<A>> TW_FN tw_element_t<V> length(const A& a) {
    return sqrt(dot(a, a));
}
template <class A, class B, class V = tw_vector_result_t<A, B>>
TW_FN tw_element_t<V> distance_squared(const A& a, const B& b) {
    return length_squared(a - b);
}
template <class A, class B, class V = tw_vector_result_t<A, B>>
TW_FN tw_element_t<V> distance(const A& a, const B& b) {
    return length(a - b);
}
template <class A, class V = tw_vector_t<A>> TW_FN V normalize(const A& a) { return a * rsqrt(dot(a, a)); }
template <class A, class B, class V = tw_vector_result_t<A, B>> TW_FN V cross(const A& a, const B& b) {
    const V x(a), y(b);
    return V(x.y * y.z - x.z * y.y, x.z * y.x - x.x * y.z, x.x * y.y - x.y * y.x);
}
template <class A, class B, class V = tw_vector_result_t<A, B>>
TW_FN V reflect(const A& incident, const B& normal) {
    return incident - normal * (dot(normal, incident) * tw_element_t<V>(2.0f));
}

/// The less accurate forms: on CUDA the hardware's approximations, elsewhere the precise ones.
namespace precise {
using namespace metal;
}
#ifdef __CUDACC_RTC__
/// Without steps for subnormal numbers, whose inverse root is infinity's.
TW_FN float tw_near_rsqrt(float x) {
    float root;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(x));
    return root;
}
#endif
namespace fast {
using namespace metal;
TW_MATH_1(cos, TW_EITHER(::__cosf(x), ::cosf(x)))
TW_MATH_1(exp, TW_EITHER(::__expf(x), ::expf(x)))
TW_MATH_1(exp10, TW_EITHER(::__exp10f(x), metal::exp10(x)))
TW_MATH_1(log, TW_EITHER(::__logf(x), ::logf(x)))
TW_MATH_1(log2, TW_EITHER(::__log2f(x), ::log2f(x)))
TW_MATH_1(log10, TW_EITHER(::__log10f(x), ::log10f(x)))
TW_MATH_1(rsqrt, TW_EITHER(tw_near_rsqrt(x), float(1.0 / ::sqrt(double(x)))))
TW_MATH_1(sin, TW_EITHER(::__sinf(x), ::sinf(x)))
TW_MATH_1(tan, TW_EITHER(::__tanf(x), ::tanf(x)))
TW_MATH_2(divide, TW_EITHER(::__fdividef(x, y), x / y))
TW_MATH_2(pow, TW_EITHER(::__powf(x, y), ::powf(x, y)))
TW_MATH_2(powr, TW_EITHER(::__powf(x, y), ::powf(x, y)))
}  // namespace fast

#undef TW_CLASSIFY
#undef TW_FLOAT_1
#undef TW_FLOAT_2
#undef TW_FLOAT_3
#undef TW_STANDARD_1
#undef TW_STANDARD_2
#undef TW_STANDARD_3
#undef TW_MATH_1
#undef TW_MATH_2
#undef TW_MATH_3

}  // namespace tw_user::metal
