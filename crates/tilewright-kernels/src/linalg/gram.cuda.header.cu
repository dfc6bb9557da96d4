// The Cholesky factor of a block on the diagonal, and its inverse, by one group of 256 threads.
constexpr int BLOCK = 64, HALF = 32, PITCH = 65;

template <typename S> inline S over_root(S x);
template <> inline double over_root<double>(double x) { return ::rsqrt(x); }
template <> inline float over_root<float>(float x) { return 1.0f / ::sqrtf(x); }

// One warp: the inverse in x of the lower triangle of 32 at (o, o) of s, by columns, one a lane; roots: one over each element of the diagonal.
template <typename S> inline void invert_half(const S* s, S* x, const S* roots, int o) {
    const int lane = threadIdx.x % 32;
    S v[HALF];
#pragma unroll
    for (int i = 0; i < HALF; ++i) v[i] = i == lane ? S(1) : S(0);
#pragma unroll
    for (int k = 0; k < HALF; ++k) {
        v[k] *= roots[k];
#pragma unroll
        for (int i = k + 1; i < HALF; ++i) v[i] -= s[(o + i) * PITCH + o + k] * v[k];
    }
#pragma unroll
    for (int i = 0; i < HALF; ++i) x[(o + i) * PITCH + o + lane] = v[i];
}

// One warp: the lower factor of the symmetric block of 32 at (o, o) of s, in its place, and its inverse in x. A lane holds a row. What is no number spreads
// to all of both.
template <typename S> inline void factor_half(S* s, S* x, S* roots, int o) {
    const int lane = threadIdx.x % 32;
    S a[HALF];
#pragma unroll
    for (int j = 0; j < HALF; ++j) a[j] = s[(o + lane) * PITCH + o + j];
    S mine = S(0);
#pragma unroll
    for (int k = 0; k < HALF; ++k) {
        const S root = over_root<S>(__shfl_sync(0xffffffffu, a[k], k));
        if (lane == k) mine = root;
        a[k] *= root;
#pragma unroll
        for (int j = k + 1; j < HALF; ++j) a[j] -= a[k] * __shfl_sync(0xffffffffu, a[k], j);
    }
#pragma unroll
    for (int j = 0; j < HALF; ++j) s[(o + lane) * PITCH + o + j] = j <= lane ? a[j] : S(0);
    roots[lane] = mine;
    // Rows and roots are there before other lanes read them.
    __syncwarp();
    invert_half<S>(s, x, roots, o);
}

// The rows below times the first half's inverse, into the quarter above the diagonal, which nobody needs; by so many threads, of which this is number t.
template <typename S> inline void below_times_first(S* s, const S* x, int t, int threads) {
    for (int e = t; e < HALF * HALF; e += threads) {
        S sum = S(0);
        for (int c = 0; c < HALF; ++c) sum += s[(HALF + e / HALF) * PITCH + c] * x[c * PITCH + e % HALF];
        s[e / HALF * PITCH + HALF + e % HALF] = sum;
    }
}

// The quarter of the inverse below the diagonal, out of both halves and that product, when all threads have come here.
template <typename S> inline void join_halves(const S* s, S* x) {
    const int i = HALF + threadIdx.x / 8, j = threadIdx.x % 8;
    S sums[4] = {S(0), S(0), S(0), S(0)};
    // Both parts of the product are there.
    __syncthreads();
#pragma unroll 8
    for (int c = 0; c < HALF; ++c) {
        const S left = x[i * PITCH + HALF + c];
#pragma unroll
        for (int q = 0; q < 4; ++q) sums[q] += left * s[c * PITCH + HALF + j + 8 * q];
    }
#pragma unroll
    for (int q = 0; q < 4; ++q) x[i * PITCH + j + 8 * q] = -sums[q];
    // The inverse is whole.
    __syncthreads();
}

// The same of a block of 64 in s, whose inverse's room x is zeros; roots: what the diagonal was divided by, one over each.
template <typename S> inline void factor_block(S* s, S* x, S* roots) {
    const int t = threadIdx.x, i = HALF + t / 8, j = t % 8;
    S sums[4];
    if (t < 32) factor_half<S>(s, x, roots, 0);
    // The first half and its inverse are there.
    __syncthreads();
#pragma unroll
    for (int q = 0; q < 4; ++q) sums[q] = S(0);
#pragma unroll 8
    for (int c = 0; c < HALF; ++c) {
        const S left = s[i * PITCH + c];
#pragma unroll
        for (int q = 0; q < 4; ++q) sums[q] += left * x[(j + 8 * q) * PITCH + c];
    }
    // All have read the rows below before they change.
    __syncthreads();
#pragma unroll
    for (int q = 0; q < 4; ++q) s[i * PITCH + j + 8 * q] = sums[q];
    // The rows below are there.
    __syncthreads();
#pragma unroll
    for (int q = 0; q < 4; ++q) sums[q] = S(0);
#pragma unroll 8
    for (int c = 0; c < HALF; ++c) {
        const S left = s[i * PITCH + c];
#pragma unroll
        for (int q = 0; q < 4; ++q) sums[q] += left * s[(HALF + j + 8 * q) * PITCH + c];
    }
#pragma unroll
    for (int q = 0; q < 4; ++q) s[i * PITCH + HALF + j + 8 * q] -= sums[q];
    // The second half has lost the first one's part.
    __syncthreads();
    if (t < 32) {
        factor_half<S>(s, x, roots + HALF, HALF);
    } else {
        below_times_first<S>(s, x, t - 32, 224);
    }
    join_halves<S>(s, x);
}
