// What a group tells the others of a row: two numbers, and for which step they are, which arrive together.
template <typename S> struct Packet;

inline void publish(void* at, unsigned long long low, unsigned long long high) {
    asm volatile("{ .reg .b128 both; mov.b128 both, {%1, %2}; st.relaxed.gpu.global.b128 [%0], both; }" : : "l"(at), "l"(low), "l"(high) : "memory");
}

inline void peek(const void* at, unsigned long long& low, unsigned long long& high) {
    asm volatile("{ .reg .b128 both; ld.relaxed.gpu.global.b128 both, [%2]; mov.b128 {%0, %1}, both; }" : "=l"(low), "=l"(high) : "l"(at) : "memory");
}

template <> struct Packet<float> {
    unsigned long long words[2];
    static void put(Packet* at, float p, float x, unsigned long long step) {
        publish(at, __float_as_uint(p) | (unsigned long long)__float_as_uint(x) << 32, step);
    }
    // Whether those of this step are there.
    static bool get(const Packet* at, float& p, float& x, unsigned long long step) {
        unsigned long long low, high;
        peek(at, low, high);
        p = __uint_as_float(unsigned(low));
        x = __uint_as_float(unsigned(low >> 32));
        return high == step;
    }
};

template <> struct Packet<double> {
    unsigned long long words[4];
    static void put(Packet* at, double p, double x, unsigned long long step) {
        publish(at->words, __double_as_longlong(p), step);
        publish(at->words + 2, __double_as_longlong(x), step);
    }
    static bool get(const Packet* at, double& p, double& x, unsigned long long step) {
        unsigned long long of_p, of_x, step_p, step_x;
        peek(at->words, of_p, step_p);
        peek(at->words + 2, of_x, step_x);
        p = __longlong_as_double(of_p);
        x = __longlong_as_double(of_x);
        return step_p == step && step_x == step;
    }
};

// The sums over a warp of each of N values, a power of two: lane l has that of value l N / 32.
template <typename S, int N> inline S warp_sums(S (&x)[N]) {
    const int lane = threadIdx.x % 32;
    int distance = 16;
#pragma unroll
    for (int half = N / 2; half > 0; half /= 2) {
        const bool high = lane & distance;
#pragma unroll
        for (int e = 0; e < half; ++e) {
            const S given = high ? x[e] : x[e + half];
            x[e] = (high ? x[e + half] : x[e]) + __shfl_xor_sync(ALL, given, distance);
        }
        distance /= 2;
    }
#pragma unroll
    for (; distance > 0; distance /= 2) x[0] += __shfl_xor_sync(ALL, x[0], distance);
    return x[0];
}

// The sums of a group of 8 warps, by buffers that take turns; what was written before one is there after it.
template <typename S> struct Sums {
    S* buffers;  // [2][8]
    int side = 0;
    S total(S x) {
        x = warp_sum(x);
        S* mine = buffers + side * 8;
        side ^= 1;
        if (threadIdx.x % 32 == 0) mine[threadIdx.x / 32] = x;
        __syncthreads();
        return ((mine[0] + mine[1]) + (mine[2] + mine[3])) + ((mine[4] + mine[5]) + (mine[6] + mine[7]));
    }
};

// A square that, beside a largest element of 1, is less than a rounding of a rounding.
template <typename S> inline S nothing() { return sizeof(S) == 8 ? S(1e-60) : S(1e-30f); }

// To all digits but the last, of numbers in the middle of the range.
inline double over_root(double x) { return ::rsqrt(x); }
inline double one_over(double x) { return 1.0 / x; }
inline float over_root(float x) {
    const float near = __frsqrt_rn(x);
    return ::fmaf(0.5f * near, ::fmaf(-x * near, near, 1.0f), near);
}
inline float one_over(float x) {
    const float near = __fdividef(1.0f, x);
    return ::fmaf(near, ::fmaf(-x, near, 1.0f), near);
}

// N of them, by 16 bytes where they are so many.
template <typename S, int N> inline void beside_each_other(S (&to)[N], const S* from) {
    if constexpr (N * sizeof(S) % 16 == 0) {
        union {
            ::uint4 words[N * sizeof(S) / 16];
            S all[N];
        } both;
#pragma unroll
        for (int q = 0; q < int(N * sizeof(S) / 16); ++q) both.words[q] = ((const ::uint4*)from)[q];
#pragma unroll
        for (int e = 0; e < N; ++e) to[e] = both.all[e];
    } else {
#pragma unroll
        for (int e = 0; e < N; ++e) to[e] = from[e];
    }
}
