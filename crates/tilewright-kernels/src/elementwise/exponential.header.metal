// exp(x) - 1 and exp(x) for double x <= 0, which Metal's functions do not take: only CUDA instantiates these.
// x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 as a sum of three floats; the series of expm1(r) to r^14, whose next term is below 2^-58 of it.
template <typename A> struct Reduced {
    A scale;  // 2^n
    A series; // expm1(r)
};
template <typename A> Reduced<A> reduce(A x) {
    int n = int(rint(float(x) * 1.44269504f));
    A r = ((x - A(n) * A(0.693145751953125f)) - A(n) * A(1.42860676533018704e-06f)) - A(n) * A(5.4979231481041071e-14f);
    A series = A(1);
    for (int i = 14; i >= 2; --i) {
        series = A(1) + series * r / A(i);
    }
    return Reduced<A>{as_type<A>(uint64_t(1023 + n) << 52), r * series};
}
// Below -708 the smallest normal number is near, and exp counts as 0.
template <typename A> A exp_minus_1(A x) {
    if (!(x > A(-708))) {
        return x != x ? x : A(-1);
    }
    Reduced<A> reduced = reduce(x);
    return (reduced.scale - A(1)) + reduced.scale * reduced.series;
}
template <typename A> A exp_of(A x) {
    if (!(x > A(-708))) {
        return x != x ? x : A(0);
    }
    Reduced<A> reduced = reduce(x);
    return reduced.scale + reduced.scale * reduced.series;
}
inline float exp_of(float x) { return exp(x); }

template <typename A> A tanh_of(A y) {
    A e = exp_minus_1(y < A(0) ? y + y : -(y + y));
    A magnitude = -e / (e + A(2));
    return y < A(0) ? -magnitude : magnitude;
}
inline float tanh_of(float y) { return tanh(y); }

