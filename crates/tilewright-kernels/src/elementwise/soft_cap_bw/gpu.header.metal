template <typename T>
T gradient(T dy, T x, float cap) {
    float e = exp(-2.0f * fabs(float(x) / cap));
    return T(float(dy) * (4.0f * e / ((1.0f + e) * (1.0f + e))));
}
