// Matrices of up to 32 W rows and columns in threadgroup memory, M of them to a group, column by column, rows PITCH = 32 W + 1 apart: a thread a
// row or a column of each, and one SIMD group more, which finds the rotations that the others then turn the vectors by, one sweep behind.

template <typename S> inline S magnitude(S x) { return x < S(0) ? -x : x; }

// Unit roundoff.
template <typename S> inline S unit() { return sizeof(S) == 8 ? S(1.1102230246251565e-16f) : S(5.9604645e-8f); }

// A square that, beside a largest element of 1, is less than a rounding of a rounding.
template <typename S> inline S nothing() { return sizeof(S) == 8 ? S(1e-30f) * S(1e-30f) : S(1e-30f); }

// c and s with c f + s g = r and c g - s f = 0. One after the other they are what a sweep waits for, so that the way of most is short.
template <typename S> inline void rotation(S f, S g, thread S& c, thread S& s, thread S& r) {
    const S square = f * f + g * g;
    if (square >= nothing<S>()) {
        const S over = inverse_root(square);
        c = f * over;
        s = g * over;
        r = square * over;
        return;
    }
    // Neither may be lost for being small: both decide the angle.
    f *= S(1152921504606846976.0f);
    g *= S(1152921504606846976.0f);
    const S larger = f * f + g * g;
    const bool none = larger < nothing<S>();
    const S over = none ? S(0) : inverse_root(larger);
    c = none ? S(1) : f * over;
    s = g * over;
    r = (none ? f : larger * over) * S(8.673617379884035e-19f);
}

// The first bit from `from` on that is `value`, of 32 W; 32 W where there is none.
template <int W> inline uint first(const thread uint (&words)[W], uint from, bool value) {
    uint found = 32 * W;
#pragma unroll
    for (int q = W - 1; q >= 0; --q) {
        uint word = value ? words[q] : ~words[q];
        if (from >= uint(32 * q + 32)) word = 0;
        if (from > uint(32 * q) && from < uint(32 * q + 32)) word = word >> (from - 32 * q) << (from - 32 * q);
        if (word != 0) found = 32 * q + ctz(word);
    }
    return found;
}

template <int W, int M, typename S> struct Chase {
    enum : int { N = 32 * W, PITCH = N + 1, SIMDS = M * W };
    threadgroup S* sums;  // [2][SIMDS]
    uint r, simd, buffer;

    // Among the threads of one matrix.
    void sync() {
        if (W == 1) simdgroup_barrier(mem_flags::mem_threadgroup);
        else threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // The sum of a matrix's threads' values. What was written before is there after it.
    S total(S x) {
        x = sum_of_all(x);
        if (W > 1) {
            threadgroup S* all = sums + buffer * SIMDS;
            buffer ^= 1;
            if (r < uint(N) && r % 32 == 0) all[simd] = x;
            // All are there before they are added; the other buffer was read before this barrier, and so may change after it.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            x = S(0);
#pragma unroll
            for (int w = 0; w < W; ++w) x += all[w];
        } else {
            simdgroup_barrier(mem_flags::mem_threadgroup);
        }
        return x;
    }

    // The largest of them; NaN if one is.
    S largest(S x) {
#pragma unroll
        for (ushort distance = 16; distance > 0; distance /= 2) {
            const S other = simd_shuffle_xor(x, distance);
            x = other > x || other != other ? other : x;
        }
        if (W > 1) {
            threadgroup S* all = sums + buffer * SIMDS;
            buffer ^= 1;
            if (r < uint(N) && r % 32 == 0) all[simd] = x;
            // As in `total`.
            threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
            for (int w = 0; w < W; ++w) x = all[w] > x || all[w] != all[w] ? all[w] : x;
        } else {
            simdgroup_barrier(mem_flags::mem_threadgroup);
        }
        return x;
    }

    // The reflection 1 - tau v vT that takes (head, the rest) to (beta, 0); `tail` is the square of the rest's length, `x` the thread's own element
    // of it. Returns that of v, of which the head's is 1.
    S reflection(S head, S tail, S x, thread S& beta, thread S& tau) {
        beta = head;
        tau = S(0);
        if (!(tail > nothing<S>())) return S(0);
        const S norm = sqrt(head * head + tail);
        beta = head > S(0) ? -norm : norm;
        tau = (beta - head) / beta;
        return x / (head - beta);
    }

    // The product of `count` reflections, in place: that of column k acts from row k + OFFSET on, where its vector is 1. `vectors` has room for 2 N.
    template <int OFFSET>
    void form(threadgroup S* q, threadgroup S* taus, threadgroup S* vectors, uint n, int count) {
        sync();
        if (r + 1 == n) q[r * PITCH + r] = S(1);
        for (int k = count - 1; k >= 0; --k) {
            const uint head = k + OFFSET;
            threadgroup S* vector = vectors + k % 2 * N;
            if (r < uint(N)) vector[r] = r == head ? S(1) : r > head && r < n ? q[k * PITCH + r] : S(0);
            const S tau = taus[k];
            // The vector is there before it is used; that of two turns ago was read, and so was the column that is overwritten.
            sync();
            if (r >= head && r < n) {
                threadgroup S* column = q + r * PITCH;
                S factor = S(1);
                if (r == head) {
                    for (uint i = head; i < n; ++i) column[i] = S(i == head);
                } else {
                    column[head] = S(0);
                    factor = product(column, 1, vector, head, n);
                }
                subtract(column, 1, vector, tau * factor, head, n);
            }
        }
        // Columns are there before others read them.
        sync();
    }

    // Of a row's or column's elements from a multiple of 8 on, up to n, with a vector, which is 0 where it does not count.
    S product(const threadgroup S* x, uint step, const threadgroup S* vector, uint from, uint n) {
        const threadgroup vec<S, 4>* fours = (const threadgroup vec<S, 4>*)vector;
        S sums4[4] = {S(0), S(0), S(0), S(0)};
        for (uint c = from / 8 * 2; 4 * c < n; c += 2) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const vec<S, 4> v = fours[c + half];
#pragma unroll
                for (int e = 0; e < 4; ++e) sums4[e] += x[(4 * (c + half) + e) * step] * v[e];
            }
        }
        return (sums4[0] + sums4[1]) + (sums4[2] + sums4[3]);
    }

    // Takes multiples of two vectors off them. All are read before one is written: nothing tells the compiler that they are apart.
    void subtract(threadgroup S* x, uint step, const threadgroup S* v, S by_v, const threadgroup S* w, S by_w, uint from, uint n) {
        const threadgroup vec<S, 4>* all_v = (const threadgroup vec<S, 4>*)v;
        const threadgroup vec<S, 4>* all_w = (const threadgroup vec<S, 4>*)w;
        for (uint c = from / 8 * 2; 4 * c < n; c += 2) {
            S y[8];
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const vec<S, 4> some_v = all_v[c + half], some_w = all_w[c + half];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    y[4 * half + e] = x[(4 * (c + half) + e) * step] - (by_v * some_v[e] + by_w * some_w[e]);
                }
            }
#pragma unroll
            for (int e = 0; e < 8; ++e) x[(4 * c + e) * step] = y[e];
        }
    }

    // The same with one vector.
    void subtract(threadgroup S* x, uint step, const threadgroup S* v, S by, uint from, uint n) {
        const threadgroup vec<S, 4>* all = (const threadgroup vec<S, 4>*)v;
        for (uint c = from / 8 * 2; 4 * c < n; c += 2) {
            S y[8];
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const vec<S, 4> some = all[c + half];
#pragma unroll
                for (int e = 0; e < 4; ++e) y[4 * half + e] = x[(4 * (c + half) + e) * step] - by * some[e];
            }
#pragma unroll
            for (int e = 0; e < 8; ++e) x[(4 * c + e) * step] = y[e];
        }
    }

    // Turns columns i and i + 1, a thread's row of them, for i from low to high - 1, or with UP from high - 1 to low.
    template <bool UP> void turn(threadgroup S* q, const threadgroup vec<S, 2>* rotations, uint low, uint high) {
        if (low == high) return;
        const uint count = high - low;
        S carried = q[(UP ? high : low) * PITCH + r];
        uint done = 0;
        for (; done + 4 <= count; done += 4) {
            S x[4];
            vec<S, 2> turns[4];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const uint i = UP ? high - 1 - done - e : low + done + e;
                x[e] = q[(UP ? i : i + 1) * PITCH + r];
                turns[e] = rotations[i];
            }
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const uint i = UP ? high - 1 - done - e : low + done + e;
                const S c = turns[e].x, s = turns[e].y;
                q[(UP ? i + 1 : i) * PITCH + r] = c * carried + s * x[e];
                carried = c * x[e] - s * carried;
            }
        }
        for (; done < count; ++done) {
            const uint i = UP ? high - 1 - done : low + done;
            const S x = q[(UP ? i : i + 1) * PITCH + r], c = rotations[i].x, s = rotations[i].y;
            q[(UP ? i + 1 : i) * PITCH + r] = c * carried + s * x;
            carried = c * x - s * carried;
        }
        q[(UP ? low : high) * PITCH + r] = carried;
    }
};
