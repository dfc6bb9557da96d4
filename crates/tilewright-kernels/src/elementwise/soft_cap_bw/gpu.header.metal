// C is the type of the computation: float, or double on CUDA.
template <typename T, typename C>
T gradient(T dy, T x, C cap) {
    C y = C(x) / cap;
    C e = exp_of(y < C(0) ? y + y : -(y + y));
    return T(C(dy) * (C(4) * e / ((C(1) + e) * (C(1) + e))));
}
