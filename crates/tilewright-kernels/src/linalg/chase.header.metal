// Matrices of up to 32 W rows and columns in threadgroup memory, M of them to a group, column by column, rows PITCH = 32 W + 1 apart: a thread a
// row or a column of each, and one SIMD group more, which finds the rotations that the others then turn the vectors by, one sweep behind.

template <typename S> inline S magnitude(S x) { return x < S(0) ? -x : x; }

// Unit roundoff.
template <typename S> inline S unit() { return sizeof(S) == 8 ? S(1.1102230246251565e-16f) : S(5.9604645e-8f); }

// A square that, beside a largest element of 1, is less than a rounding of a rounding.
template <typename S> inline S nothing() { return sizeof(S) == 8 ? S(1e-30f) * S(1e-30f) : S(1e-30f); }

// By what the two diagonals are multiplied: squares of all that matters beside their largest elements are in range then.
template <typename S> inline S lift() { return S(1125899906842624.0f); }

// The inverse of a root, and a ratio, to half of the digits at least; of nothing that is too small or large for the device's own.
template <typename S> inline S near_inverse_root(S x) { return S(1) / sqrt(x); }
inline float near_inverse_root(float x) { return fast::rsqrt(x); }
template <typename S> inline S near_ratio(S x, S y) { return x / y; }
inline float near_ratio(float x, float y) { return fast::divide(x, y); }

// c and s with c f + s g = r and c g - s f = 0. One after the other they are what a sweep waits for, so that the way of all is short, and one: where both
// are next to nothing they turn nothing.
template <typename S> inline void rotation(S f, S g, thread S& c, thread S& s, thread S& r) {
    const S length = f * f + g * g;
    const S least = S(1e-37f);
    const S lost = length < least ? S(1) : S(0);
    const S square = max(length, least);
    const S of_f = f * (S(1) - lost), of_g = g * (S(1) - lost);
    const S near = near_inverse_root(square);
    const S near_c = fma(of_f, near, lost), near_s = of_g * near, near_r = square * near;
    const S half_c = S(0.5f) * of_f * near, half_s = S(0.5f) * of_g * near;
    // One step of Newton's, on all three at once.
    const S off = fma(-near_r, near, S(1));
    c = fma(half_c, off, near_c);
    s = fma(half_s, off, near_s);
    r = fma(S(0.5f) * near_r, off, near_r);
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
    // With AHEAD elements of a row turned, and CHUNK of a row or column multiplied at once; more would take the registers that groups of small matrices share.
    enum : int { N = 32 * W, PITCH = N + 1, SIMDS = M * W, AHEAD = W > 1 ? 4 : 2, CHUNK = W > 2 ? 16 : 8 };
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

    // The product of `count` reflections, in place, two at a time: that of column k acts from row k + OFFSET on, where its vector is 1. `vectors` has room
    // for 4 N.
    template <int OFFSET>
    void form(threadgroup S* q, threadgroup S* taus, threadgroup S* vectors, uint n, int count) {
        sync();
        if (r + 1 == n) q[r * PITCH + r] = S(1);
        for (int k = count - 1; k >= 0; k -= 2) {
            // Where the second one is none it is one of zeros.
            const bool two = k > 0;
            const uint high = k + OFFSET, low = two ? high - 1 : high;
            threadgroup S* first = vectors + k / 2 % 2 * 2 * N;
            threadgroup S* second = first + N;
            if (r < uint(N)) {
                first[r] = r == high ? S(1) : r > high && r < n ? q[k * PITCH + r] : S(0);
                second[r] = !two ? S(0) : r == low ? S(1) : r > low && r < n ? q[(k - 1) * PITCH + r] : S(0);
            }
            const S tau = taus[k], other = two ? taus[k - 1] : S(0);
            // The vectors are there before they are used; those of two turns ago were read, and so were the columns that are overwritten.
            sync();
            if (r >= low && r < n) {
                threadgroup S* column = q + r * PITCH;
                // The heads' columns are the identity's still, whatever lies there.
                const bool fresh = r <= high;
                column[low] = S(0);
                column[high] = S(0);
                S by_first, by_second, between;
                products(column, first, second, low, n, by_first, by_second, between);
                by_first = tau * (fresh ? first[r] : by_first);
                by_second = other * ((fresh ? second[r] : by_second) - by_first * between);
                subtract(column, 1, first, by_first, second, by_second, low, n, fresh ? S(0) : S(1));
                if (fresh) column[r] += S(1);
            }
        }
        // Columns are there before others read them.
        sync();
    }

    // The products of a column with two vectors, and of these.
    void products(const threadgroup S* x, const threadgroup S* v, const threadgroup S* w, uint from, uint n, thread S& by_v, thread S& by_w, thread S& both) {
        const threadgroup vec<S, 4>* all_v = (const threadgroup vec<S, 4>*)v;
        const threadgroup vec<S, 4>* all_w = (const threadgroup vec<S, 4>*)w;
        S of_v[2] = {S(0), S(0)}, of_w[2] = {S(0), S(0)}, of_both[2] = {S(0), S(0)};
        for (uint c = from / CHUNK * (CHUNK / 4); 4 * c < n; c += CHUNK / 4) {
            S y[CHUNK];
#pragma unroll
            for (int e = 0; e < CHUNK; ++e) y[e] = x[4 * c + e];
#pragma unroll
            for (int part = 0; part < CHUNK / 4; ++part) {
                const vec<S, 4> some_v = all_v[c + part], some_w = all_w[c + part];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    of_v[e % 2] += y[4 * part + e] * some_v[e];
                    of_w[e % 2] += y[4 * part + e] * some_w[e];
                    of_both[e % 2] += some_v[e] * some_w[e];
                }
            }
        }
        by_v = of_v[0] + of_v[1];
        by_w = of_w[0] + of_w[1];
        both = of_both[0] + of_both[1];
    }

    // Of a row's or column's elements from a multiple of CHUNK on, up to n, with a vector, which is 0 where it does not count.
    S product(const threadgroup S* x, uint step, const threadgroup S* vector, uint from, uint n) {
        const threadgroup vec<S, 4>* fours = (const threadgroup vec<S, 4>*)vector;
        S sums4[4] = {S(0), S(0), S(0), S(0)};
        for (uint c = from / CHUNK * (CHUNK / 4); 4 * c < n; c += CHUNK / 4) {
#pragma unroll
            for (int part = 0; part < CHUNK / 4; ++part) {
                const vec<S, 4> v = fours[c + part];
#pragma unroll
                for (int e = 0; e < 4; ++e) sums4[e] += x[(4 * (c + part) + e) * step] * v[e];
            }
        }
        return (sums4[0] + sums4[1]) + (sums4[2] + sums4[3]);
    }

    // Takes multiples of two vectors off so much of them. All are read before one is written: nothing tells the compiler that they are apart.
    void subtract(threadgroup S* x, uint step, const threadgroup S* v, S by_v, const threadgroup S* w, S by_w, uint from, uint n, S kept = S(1)) {
        const threadgroup vec<S, 4>* all_v = (const threadgroup vec<S, 4>*)v;
        const threadgroup vec<S, 4>* all_w = (const threadgroup vec<S, 4>*)w;
        for (uint c = from / CHUNK * (CHUNK / 4); 4 * c < n; c += CHUNK / 4) {
            S y[CHUNK];
#pragma unroll
            for (int part = 0; part < CHUNK / 4; ++part) {
                const vec<S, 4> some_v = all_v[c + part], some_w = all_w[c + part];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    y[4 * part + e] = kept * x[(4 * (c + part) + e) * step] - (by_v * some_v[e] + by_w * some_w[e]);
                }
            }
#pragma unroll
            for (int e = 0; e < CHUNK; ++e) x[(4 * c + e) * step] = y[e];
        }
    }

    // The same with one vector.
    void subtract(threadgroup S* x, uint step, const threadgroup S* v, S by, uint from, uint n) {
        const threadgroup vec<S, 4>* all = (const threadgroup vec<S, 4>*)v;
        for (uint c = from / CHUNK * (CHUNK / 4); 4 * c < n; c += CHUNK / 4) {
            S y[CHUNK];
#pragma unroll
            for (int part = 0; part < CHUNK / 4; ++part) {
                const vec<S, 4> some = all[c + part];
#pragma unroll
                for (int e = 0; e < 4; ++e) y[4 * part + e] = x[(4 * (c + part) + e) * step] - by * some[e];
            }
#pragma unroll
            for (int e = 0; e < CHUNK; ++e) x[(4 * c + e) * step] = y[e];
        }
    }

    // Turns columns i and i + 1, a thread's row of them, for i from low to high - 1.
    void turn(threadgroup S* q, const threadgroup vec<S, 2>* rotations, uint low, uint high) {
        if (low == high) return;
        const uint count = high - low;
        S carried = q[low * PITCH + r];
        uint done = 0;
        for (; done + AHEAD <= count; done += AHEAD) {
            S x[AHEAD];
            vec<S, 2> turns[AHEAD];
#pragma unroll
            for (int e = 0; e < AHEAD; ++e) {
                const uint i = low + done + e;
                x[e] = q[(i + 1) * PITCH + r];
                turns[e] = rotations[i];
            }
#pragma unroll
            for (int e = 0; e < AHEAD; ++e) {
                const uint i = low + done + e;
                const S c = turns[e].x, s = turns[e].y;
                q[i * PITCH + r] = c * carried + s * x[e];
                carried = c * x[e] - s * carried;
            }
        }
        for (; done < count; ++done) {
            const uint i = low + done;
            const S x = q[(i + 1) * PITCH + r], c = rotations[i].x, s = rotations[i].y;
            q[i * PITCH + r] = c * carried + s * x;
            carried = c * x - s * carried;
        }
        q[high * PITCH + r] = carried;
    }

    // Turns them by two sweeps, of which the second follows the first.
    void turn(threadgroup S* q, const threadgroup vec<S, 2>* first, const threadgroup vec<S, 2>* second, uint low, uint high) {
        const uint count = high - low;
        S carried = q[low * PITCH + r], behind = S(0);
        uint done = 0;
        // What the first sweep leaves of a column is what the second one takes up.
        for (; done + AHEAD <= count; done += AHEAD) {
            S x[AHEAD];
            vec<S, 2> turns[AHEAD], others[AHEAD];
#pragma unroll
            for (int e = 0; e < AHEAD; ++e) {
                const uint i = low + done + e;
                x[e] = q[(i + 1) * PITCH + r];
                turns[e] = first[i];
                others[e] = second[done + e == 0 ? i : i - 1];
            }
#pragma unroll
            for (int e = 0; e < AHEAD; ++e) {
                const uint i = low + done + e;
                const S c = turns[e].x, s = turns[e].y;
                const S left = c * carried + s * x[e];
                carried = c * x[e] - s * carried;
                if (done + e == 0) {
                    behind = left;
                } else {
                    q[(i - 1) * PITCH + r] = others[e].x * behind + others[e].y * left;
                    behind = others[e].x * left - others[e].y * behind;
                }
            }
        }
        for (; done < count; ++done) {
            const uint i = low + done;
            const S x = q[(i + 1) * PITCH + r], c = first[i].x, s = first[i].y;
            const S left = c * carried + s * x;
            carried = c * x - s * carried;
            if (done == 0) {
                behind = left;
            } else {
                const vec<S, 2> other = second[i - 1];
                q[(i - 1) * PITCH + r] = other.x * behind + other.y * left;
                behind = other.x * left - other.y * behind;
            }
        }
        const vec<S, 2> last = second[high - 1];
        q[(high - 1) * PITCH + r] = last.x * behind + last.y * carried;
        q[high * PITCH + r] = last.x * carried - last.y * behind;
    }

    // Turns them, from high on, by K sweeps at once, each a column behind the one before. Row t of `rotations` has step t - k of each sweep k; before its first
    // step and after its last one a sweep turns nothing. Rows beyond are read up to a multiple of AHEAD, and do nothing that is kept.
    template <int K> void turn_up(threadgroup S* q, const threadgroup vec<S, 2>* rotations, uint low, uint high) {
        const threadgroup vec<S, 4>* pairs = (const threadgroup vec<S, 4>*)rotations;
        const int count = int(high - low);
        threadgroup S* last = q + high * PITCH + r;
        S carried[K];
#pragma unroll
        for (int k = 0; k < K; ++k) carried[k] = k == 0 ? last[0] : S(0);
        for (int t = 0; t < count + K; t += AHEAD) {
            S x[AHEAD];
            vec<S, 2> turns[AHEAD][K];
#pragma unroll
            for (int e = 0; e < AHEAD; ++e) {
                x[e] = t + e < count ? last[-(t + e + 1) * PITCH] : S(0);
#pragma unroll
                for (int k = 0; k < K; k += 2) {
                    const vec<S, 4> both = pairs[((t + e) * K + k) / 2];
                    turns[e][k] = vec<S, 2>(both.x, both.y);
                    turns[e][k + 1] = vec<S, 2>(both.z, both.w);
                }
            }
#pragma unroll
            for (int e = 0; e < AHEAD; ++e) {
                // What a sweep leaves of a column is what the next one takes up.
#pragma unroll
                for (int k = 0; k < K; ++k) {
                    const S c = turns[e][k].x, s = turns[e][k].y;
                    const S left = c * carried[k] + s * x[e];
                    carried[k] = c * x[e] - s * carried[k];
                    x[e] = left;
                }
                const int done = t + e - (K - 1);
                if (done >= 0 && done <= count) last[-done * PITCH] = x[e];
            }
        }
    }
};
