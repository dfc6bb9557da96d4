// Matrices of up to N rows and columns, each with N threads of its own or, where N is less than 32, a SIMD group: thread t holds column t of the matrix,
// and row t of q. A reflection takes both on and moves their elements up by one, so that loops of few lengths serve all columns.
template <int N, typename S> struct Columns {
    enum : int { STEPS = 8, THREADS = N < 32 ? 32 : N, PITCH = STEPS + 1 };
    threadgroup vec<S, 4>* vectors;  // [2][N / 4]
    threadgroup S* tile;             // [N][PITCH]
    device S* q;
    device S* r;
    uint m, n, rows, t;
    bool nonnegative;
    // What the thread's column was multiplied by, undone.
    S back;

    // Among the threads of one matrix.
    void sync() const {
        if (N <= 32) simdgroup_barrier(mem_flags::mem_threadgroup);
        else threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // Column k, of which L elements from row k on may be other than 0.
    template <int L> void step(thread S (&x)[N], thread S (&y)[N], uint k) const {
        threadgroup vec<S, 4>* vector = vectors + k % 2 * (N / 4);
        if (t == k) {
#pragma unroll
            for (int c = 0; c < L / 4; ++c) vector[c] = vec<S, 4>(x[4 * c], x[4 * c + 1], x[4 * c + 2], x[4 * c + 3]);
        }
        // The vector is there before it is read; that of two columns ago was read by all.
        sync();
        S head = S(0), beta = S(0), change_x = S(0), change_y = S(0);
        if (k < min(m, n)) {
            S square = S(0);
            if (N > 32) {
                const threadgroup S* elements = (const threadgroup S*)vector;
#pragma unroll
                for (int first = 0; first < L; first += 32) {
                    const int i = first + int(t % 32);
                    const S element = i > 0 && i < L ? elements[i] : S(0);
                    square += element * element;
                }
                square = simd_sum(square);
            }
            S sums_x[4] = {S(0), S(0), S(0), S(0)}, sums_y[4] = {S(0), S(0), S(0), S(0)};
#pragma unroll
            for (int c = 0; c < L / 4; ++c) {
                const vec<S, 4> part = vector[c];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    if (c + e > 0) {
                        sums_x[e] += part[e] * x[4 * c + e];
                        sums_y[e] += part[e] * y[4 * c + e];
                    }
                }
            }
            const S product_x = (sums_x[0] + sums_x[1]) + (sums_x[2] + sums_x[3]);
            const S product_y = (sums_y[0] + sums_y[1]) + (sums_y[2] + sums_y[3]);
            if (N <= 32) square = simd_broadcast(product_x, ushort(k));
            const S alpha = vector[0][0];
            beta = alpha;
            // What is less, beside a column whose largest element is near 1, is a rounding of a rounding; NaN is not less.
            const S least = sizeof(S) == 8 ? S(1e-30f) * S(1e-30f) : S(1e-30f);
            if (!(square <= least)) {
                const S whole = alpha * alpha + square;
                const S inverse = inverse_root(whole);
                const S norm = whole * inverse;
                head = alpha < S(0) ? alpha - norm : alpha + norm;
                beta = alpha < S(0) ? norm : -norm;
                const S factor = inverse * inverse_root(head * head);
                change_x = factor * (head * x[0] + product_x);
                change_y = factor * (head * y[0] + product_y);
            }
        }
        const bool flip = nonnegative && beta < S(0);
        const S of_r = t > k ? x[0] - change_x * head : t == k ? beta : S(0);
        const S of_q = y[0] - change_y * head;
        if (k < rows && t < n) r[k * n + t] = (flip ? -of_r : of_r) * back;
        if (t < uint(N)) tile[t * PITCH + k % STEPS] = flip ? -of_q : of_q;
#pragma unroll
        for (int c = 0; c < L / 4; ++c) {
            const vec<S, 4> part = vector[c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (c + e > 0) {
                    x[4 * c + e - 1] = x[4 * c + e] - change_x * part[e];
                    y[4 * c + e - 1] = y[4 * c + e] - change_y * part[e];
                }
            }
        }
        x[L - 1] = S(0);
        y[L - 1] = S(0);
    }

    // STEPS columns from `first` on, and these of q.
    template <int L> void steps(thread S (&x)[N], thread S (&y)[N], uint first) const {
        // Not all at once, or the instructions would not stay in their cache.
#pragma unroll 2
        for (uint k = first; k < first + STEPS; ++k) step<L>(x, y, k);
        // The columns of q are there before they are stored.
        sync();
        for (uint e = t; e < m * STEPS; e += THREADS) {
            const uint i = e / STEPS, j = e % STEPS;
            if (first + j < rows) q[i * rows + first + j] = tile[i * PITCH + j];
        }
    }
};

// All columns from the one on whose L elements are left.
template <int L, int N, typename S> struct From {
    static void reflect(const thread Columns<N, S>& columns, thread S (&x)[N], thread S (&y)[N]) {
        if (uint(N - L) >= columns.rows) return;
        columns.template steps<L>(x, y, N - L);
        From<L - Columns<N, S>::STEPS, N, S>::reflect(columns, x, y);
    }
};
template <int N, typename S> struct From<0, N, S> {
    static void reflect(const thread Columns<N, S>&, thread S (&)[N], thread S (&)[N]) {}
};
