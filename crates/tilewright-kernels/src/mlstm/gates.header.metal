// What a cell does with its gates and its denominator.
struct Cell {
    bool sigmoid;    // the input gate; otherwise it is exponential
    bool normalize;
    float eps;
    float cap;       // of the pre-activations; 0 where there is none
};

inline float log_sigmoid(float x) { return min(x, 0.0f) - log1p(exp(-fabs(x))); }

inline float capped(Cell cell, float x) { return cell.cap > 0.0f ? cell.cap * tanh(x / cell.cap) : x; }

// The logarithms of sigma(f) and of the input gate.
inline float log_forget(Cell cell, float f) { return log_sigmoid(capped(cell, f)); }
inline float log_input(Cell cell, float i) {
    const float x = capped(cell, i);
    return cell.sigmoid ? log_sigmoid(x) : x;
}

// 1 / (max(|z|, exp(-m)) + eps); where m < 0 both parts of the fraction are multiplied by exp(m), so that nothing overflows.
inline float readout(Cell cell, float z, float m) {
    const float small = exp(-fabs(m));
    if (!cell.normalize) return m < 0.0f ? small : 1.0f / small;
    return m < 0.0f ? small / (max(fabs(z) * small, 1.0f) + cell.eps * small) : 1.0f / (max(fabs(z), small) + cell.eps);
}

inline float sigmoid(float x) {
    const float e = exp(-fabs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

// The derivative of the cap: 1 - tanh^2, without the difference.
inline float cap_slope(Cell cell, float x) {
    if (cell.cap <= 0.0f) return 1.0f;
    const float e = exp(-2.0f * fabs(x / cell.cap));
    return 4.0f * e / ((1.0f + e) * (1.0f + e));
}
// Those of the logarithms of both gates, by i and by f.
inline float input_slope(Cell cell, float i) {
    return (cell.sigmoid ? sigmoid(-capped(cell, i)) : 1.0f) * cap_slope(cell, i);
}
inline float forget_slope(Cell cell, float f) { return sigmoid(-capped(cell, f)) * cap_slope(cell, f); }
