inline float sigmoid(float x) {
    const float e = exp(-fabs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// The logarithm of the forget gate.
inline float log_forget(bool exponential, float f) {
    return exponential ? f : min(f, 0.0f) - log1p(exp(-fabs(f)));
}

// The factors of what is kept and of what is taken in, and the stabiliser that both are relative to. A unit that has seen nothing, n = 0, starts at
// its input gate, and stays as it is where that is 0.
struct Factors {
    float keep, take, m;
};
inline Factors factors(float kept, float i, float n, float m) {
    const bool empty = n == 0.0f, nothing = i == -INFINITY;
    if (empty) {
        if (nothing) return Factors{0.0f, 0.0f, m};
        return Factors{0.0f, 1.0f, i};
    }
    const float next = max(kept, i);
    return Factors{exp(kept - next), nothing ? 0.0f : exp(i - next), next};
}
