template <typename S> struct Complex {
    S re, im;
};

template <typename S> inline S magnitude(S x) { return x < S(0) ? -x : x; }
template <typename S> inline S magnitude(Complex<S> x) { return magnitude(x.re) + magnitude(x.im); }
template <typename S> inline Complex<S> less(Complex<S> a, Complex<S> b) { return Complex<S>{a.re - b.re, a.im - b.im}; }
template <typename S> inline Complex<S> times(Complex<S> a, Complex<S> b) { return Complex<S>{a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
template <typename S> inline Complex<S> times(S a, Complex<S> b) { return Complex<S>{a * b.re, a * b.im}; }

// The divisor is no smaller than a rounding of numbers of size 1, and no larger than a few of them: its square is in range.
template <typename S> inline Complex<S> over(Complex<S> a, Complex<S> b) {
    const S square = b.re * b.re + b.im * b.im;
    return Complex<S>{(a.re * b.re + a.im * b.im) / square, (a.im * b.re - a.re * b.im) / square};
}

// Unit roundoff, twice.
template <typename S> inline S epsilon() { return sizeof(S) == 8 ? S(2.220446049250313e-16f) : S(1.1920929e-7f); }

// The square of a norm below which a vector is one of zeros: beside numbers of size 1 it is less than a rounding of a rounding.
template <typename S> inline S nothing() { return sizeof(S) == 8 ? S(1e-30f) * S(1e-30f) : S(1e-30f); }

// Beside numbers of size 1, nothing at all.
template <typename S> inline S tiny() { return sizeof(S) == 8 ? nothing<S>() * nothing<S>() : S(1e-30f); }

// Whether the element left of the diagonal of row k is a zero to rounding (Ahues and Tisseur, 1997).
template <typename S> inline bool negligible(const device S* h, uint n, uint k) {
    const S below = magnitude(h[k * n + k - 1]), beside = magnitude(h[(k - 1) * n + k]);
    if (below <= tiny<S>()) return true;
    const S a = h[k * n + k], b = h[(k - 1) * n + k - 1];
    const S size = magnitude(a) + magnitude(b);
    if (below > epsilon<S>() * (size > S(0) ? size : S(1))) return false;
    const S apart = magnitude(b - a), own = magnitude(a);
    const S larger = max(below, beside), smaller = min(below, beside);
    const S far = max(own, apart), near = min(own, apart);
    const S sum = far + larger;
    return smaller * (larger / sum) <= max(tiny<S>(), epsilon<S>() * (near * (far / sum)));
}

// The two shifts of a double step.
template <typename S> struct Shifts {
    Complex<S> first, second;
};

// The eigenvalues of [a b; c d]; of real ones twice the one that is closer to d.
template <typename S> inline Shifts<S> shifts_of(S a, S b, S c, S d) {
    const S size = magnitude(a) + magnitude(b) + magnitude(c) + magnitude(d);
    if (size == S(0)) return Shifts<S>{Complex<S>{S(0), S(0)}, Complex<S>{S(0), S(0)}};
    a /= size;
    b /= size;
    c /= size;
    d /= size;
    const S middle = (a + d) / S(2);
    const S determinant = (a - middle) * (d - middle) - b * c;
    const S root = sqrt(magnitude(determinant));
    if (determinant >= S(0)) {
        return Shifts<S>{Complex<S>{middle * size, root * size}, Complex<S>{middle * size, -root * size}};
    }
    const S low = middle - root, high = middle + root;
    const S closer = (magnitude(low - d) < magnitude(high - d) ? low : high) * size;
    return Shifts<S>{Complex<S>{closer, S(0)}, Complex<S>{closer, S(0)}};
}

// 1 - tau v vᵀ with v = [1 second third].
template <typename S> struct Reflection {
    S tau, second, third, beta;
};

// That which turns [x y z] into [beta 0 0].
template <typename S> inline Reflection<S> reflection_of(S x, S y, S z) {
    const S size = max(magnitude(x), max(magnitude(y), magnitude(z)));
    if (y == S(0) && z == S(0)) return Reflection<S>{S(0), S(0), S(0), x};
    x /= size;
    y /= size;
    z /= size;
    const S norm = sqrt(x * x + y * y + z * z);
    const S beta = x > S(0) ? -norm : norm;
    return Reflection<S>{(beta - x) / beta, y / (x - beta), z / (x - beta), beta * size};
}

// The first column of (h - first)(h - second) of the block that begins in row m, over a number.
template <typename S> struct Start {
    S x, y, z;
};

template <typename S> inline Start<S> start_of(const device S* h, uint n, uint m, Shifts<S> shifts) {
    const device S* row = h + m * n + m;
    const S a = row[0], below = row[n], d = row[n + 1];
    const S size = magnitude(a - shifts.second.re) + magnitude(shifts.second.im) + magnitude(below);
    if (size == S(0)) return Start<S>{S(0), S(0), S(0)};
    const S ratio = below / size;
    const S x = ratio * row[1] + (a - shifts.first.re) * ((a - shifts.second.re) / size) -
                shifts.first.im * (shifts.second.im / size);
    const S y = ratio * (a + d - shifts.first.re - shifts.second.re);
    const S z = ratio * row[2 * n + 1];
    const S sum = magnitude(x) + magnitude(y) + magnitude(z);
    return sum > S(0) ? Start<S>{x / sum, y / sum, z / sum} : Start<S>{S(0), S(0), S(0)};
}

// Whether a bulge may begin in row m, as what is left of it there is a zero to rounding.
template <typename S> inline bool starts(const device S* h, uint n, uint m, Start<S> at) {
    const device S* row = h + m * n + m;
    const S around = magnitude(row[-int(n) - 1]) + magnitude(row[0]) + magnitude(row[n + 1]);
    return magnitude(row[-1]) * (magnitude(at.y) + magnitude(at.z)) <= epsilon<S>() * magnitude(at.x) * around;
}

// No overflow, and no underflow that counts, on the way.
template <typename S> inline S modulus_of(Complex<S> x) {
    const S a = magnitude(x.re), b = magnitude(x.im);
    const S larger = max(a, b), smaller = min(a, b);
    const S ratio = larger > S(0) ? smaller / larger : S(0);
    return larger * sqrt(S(1) + ratio * ratio);
}

// A pivot that is no smaller than a rounding of numbers of size 1.
template <typename S> inline Complex<S> pivot_of(Complex<S> x) {
    return magnitude(x) < epsilon<S>() ? Complex<S>{epsilon<S>(), S(0)} : x;
}
