// What the bodies of the divide and conquer share.

constexpr unsigned ALL = 0xffffffffu;

template <typename S> inline S warp_sum(S x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL, x, distance);
    return x;
}

inline double warp_largest(double x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x = ::fmax(x, __shfl_xor_sync(ALL, x, distance));
    return x;
}

// A root lies at `poles[origin] + offset`; its distance to a pole has all its digits.
inline double distance_of(double pole, double origin, double offset) { return (pole - origin) - offset; }

// So many elements a pair of halves has room for beside each other, and where those of one pair begin.
struct Pair {
    size_t first;
    int side;
    Pair(size_t pair, unsigned half) : first(pair * 2 * half), side(2 * int(half)) {}
};
