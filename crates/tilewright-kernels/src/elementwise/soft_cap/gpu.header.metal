// C is the type of the computation: float, or double on CUDA.
template <typename T, typename C>
T capped(T element, C cap) {
    C value = C(element);
    C magnitude = value < C(0) ? -value : value;
    // tanh(y) is y to the last bit for such small y, and x / cap may be no normal number there.
    C small = sizeof(C) == 8 ? C(1.49011612e-08f) : C(0.000244140625f);
    return magnitude <= cap * small ? element : T(cap * tanh_of(value / cap));
}
