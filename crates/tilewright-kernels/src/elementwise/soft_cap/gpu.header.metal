template <typename T>
T capped(T element, float cap) {
    float value = float(element);
    // tanh(y) is y to the last bit for such small y, and x / cap may be no normal number there.
    return fabs(value) <= cap * 0.000244140625f ? element : T(cap * tanh(value / cap));
}
