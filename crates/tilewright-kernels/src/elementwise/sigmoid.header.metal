// 1 / (1 + exp(-x)), by the exponential of a number that is not positive.
inline float sigmoid_of(float x) {
    const float e = precise::exp(-abs(x));
    return (x > 0.0f ? 1.0f : e) / (1.0f + e);
}
