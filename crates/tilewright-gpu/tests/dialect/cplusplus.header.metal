template <typename T> METAL_FUNC T sigmoid(T x) { return T(1) / (T(1) + metal::exp(-x)); }
// Overloads beside Metal's own, as at the global scope of a Metal source.
inline float max(float a, float b, float c) { return max(max(a, b), c); }
template <typename T, int N> struct Accumulator {
    T parts[N];
    void clear() {
        for (int i = 0; i < N; ++i) parts[i] = T(0);
    }
    T total() const {
        T sum = 0;
        MLX_MTL_PRAGMA_UNROLL
        for (int i = 0; i < N; ++i) sum += parts[i];
        return sum;
    }
};
enum Mode { first_mode, second_mode = 5 };
template <typename T> inline int kind() {
    if constexpr (is_same_v<T, half>) {
        return 1;
    } else if constexpr (metal::is_integral_v<T>) {
        return 2;
    } else {
        return is_floating_point<T>::value ? 3 : 4;
    }
}
template <typename T, typename = enable_if_t<is_unsigned_v<T>>> inline int unsigned_only(T) {
    return sizeof(T);
}
using pick = conditional_t<(sizeof(float) == 4), float, int>;
constant constexpr int each = 3, lanes = 4;
