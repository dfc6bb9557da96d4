// Channel j of the token `back` before token t of a text: of x, of the state, or 0.
template <int W, typename T>
float seen(const device T* x, const device T* state, bool stated, uint text, uint t, uint back, uint s, uint d, uint j) {
    if (t >= back) return float(x[(size_t(text) * s + (t - back)) * d + j]);
    return stated ? float(state[(size_t(text) * (W - 1) + (W - 1 + t - back)) * d + j]) : 0.0f;
}
