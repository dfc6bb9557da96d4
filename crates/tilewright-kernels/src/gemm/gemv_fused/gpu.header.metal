// Products of two runs of 16 bytes, added to a sum.
template <typename T> float added(float sum, uint4 left, uint4 right, const device T* tag) {
    float a[16 / sizeof(T)], b[16 / sizeof(T)];
    widen(left, tag, a);
    widen(right, tag, b);
    for (int i = 0; i < int(16 / sizeof(T)); ++i) sum += a[i] * b[i];
    return sum;
}

inline float sigmoid(float x) {
    const float e = precise::exp(-fabs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}
