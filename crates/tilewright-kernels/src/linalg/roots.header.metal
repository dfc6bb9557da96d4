template <typename S> inline S inverse_root(S x) { return S(1) / sqrt(x); }
// The device's own is off by more than rounding.
inline float inverse_root(float x) {
    const float near = rsqrt(x);
    return fma(0.5f * near, fma(-(x * near), near, 1.0f), near);
}

