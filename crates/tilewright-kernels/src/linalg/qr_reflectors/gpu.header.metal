template <typename S> inline S magnitude(S x) { return x < S(0) ? -x : x; }

// Whether sums of squares up to this one, which is not small, neither overflowed nor lost anything that matters to underflow.
template <typename S> inline bool is_safe(S square) { return square > S(1e-24f) && square < S(1e36f); }

// beta and tau of the reflection that takes (alpha, tail) to (beta, 0), of the tail's sum of squares.
template <typename S> struct Reflection {
    S beta;
    S tau;
    // What the tail is divided by to become that of v.
    S distance;
};

template <typename S> inline Reflection<S> reflection(S alpha, S square) {
    const S norm = sqrt(alpha * alpha + square);
    const S beta = alpha < S(0) ? norm : -norm;
    return Reflection<S>{beta, (beta - alpha) / beta, alpha - beta};
}

// The totals of all threads' values, of a group of 256; those before `from` are left out.
template <int NB, typename S>
inline void group_sums(thread S (&values)[NB], int from, threadgroup S* sums, threadgroup S* totals, uint t) {
#pragma unroll
    for (int j = 0; j < NB; ++j) {
        if (j >= from) {
            const S sum = simd_sum(values[j]);
            if (t % 32 == 0) sums[t / 32 * NB + j] = sum;
        }
    }
    // The sums of SIMD groups are there before they are added; the totals before were read.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (int(t) >= from && t < uint(NB)) {
        S total = S(0);
        for (uint g = 0; g < 8; ++g) total += sums[g * NB + t];
        totals[t] = total;
    }
    // The totals are there before they are used, and the sums were read before they change.
    threadgroup_barrier(mem_flags::mem_threadgroup);
}

// The largest of all threads' values, none of which is negative.
template <typename S> inline S group_largest(S value, threadgroup S* sums, uint t) {
#pragma unroll
    for (ushort distance = 16; distance > 0; distance /= 2) {
        const S other = simd_shuffle_xor(value, distance);
        value = other > value ? other : value;
    }
    if (t % 32 == 0) sums[t / 32] = value;
    // All are there before they are compared.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint g = 0; g < 8; ++g) value = sums[g] > value ? sums[g] : value;
    // All were read before they change.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    return value;
}

// Blocks of NB reflections 1 - v s^-1 v^T on tiles of 32 columns of a row-major matrix, by a group of 256 threads: a lane takes a column, and
// the SIMD groups take the rows in turn. `s` is v^T v above its diagonal, and `taus` are the inverses of its diagonal.
template <int NB, typename S, int ROWS = 64, int SIMDS = 8> struct Block {
    threadgroup S* stage;  // [ROWS][NB]
    threadgroup S* parts;  // [SIMDS][NB][32]
    threadgroup S* s;      // [NB][NB]
    threadgroup S* taus;   // [NB]
    // Vectors below the diagonal of columns first.. of a matrix of m rows and n columns.
    const device S* v;
    uint first, count, m, n;

    // Element i, below row first, of vector q.
    S vector(uint i, uint q) const {
        return q >= count || i < q || first + i >= m ? S(0) : i == q ? S(1) : v[ulong(first + i) * n + first + q];
    }

    // Rows from `top` on, for all threads to read.
    void load(uint top, uint t) const {
        // What was there was read before it changes.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint e = t; e < uint(ROWS * NB); e += 256) stage[e] = vector(top + e / NB, e % NB);
        // The rows are there before they are used.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // Makes `s` and `taus` from the vectors and the factors tau, which begin at `first`.
    void prepare(const device S* tau, uint t) const {
        S sum = S(0);
        for (uint top = 0; first + top < m; top += ROWS) {
            load(top, t);
            if (t < uint(NB * NB)) {
                for (int i = 0; i < ROWS; ++i) sum += stage[i * NB + t / NB] * stage[i * NB + t % NB];
            }
        }
        if (t < uint(NB * NB)) s[t] = sum;
        if (t < uint(NB)) taus[t] = t < count ? tau[first + t] : S(0);
        // They are there before they are used.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // Changes columns left .. left + 32, but none from `end` on, of c, which has p of them.
    void apply(device S* c, uint p, uint left, uint end, bool transpose, uint t) const {
        const uint lane = t % 32, simd = t / 32;
        const bool mine = left + lane < end;
        device S* column = c + ulong(first) * p + left + lane;
        S w[NB];
#pragma unroll
        for (int q = 0; q < NB; ++q) w[q] = S(0);
        for (uint top = 0; first + top < m; top += ROWS) {
            load(top, t);
            for (uint i = simd; i < uint(ROWS) && first + top + i < m; i += SIMDS) {
                const S x = mine ? column[ulong(top + i) * p] : S(0);
#pragma unroll
                for (int q = 0; q < NB; ++q) w[q] += stage[i * NB + q] * x;
            }
        }
#pragma unroll
        for (int q = 0; q < NB; ++q) parts[(simd * NB + q) * 32 + lane] = w[q];
        // All parts are there before they are added up.
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int q = 0; q < NB; ++q) {
            w[q] = S(0);
            for (int g = 0; g < SIMDS; ++g) w[q] += parts[(g * NB + q) * 32 + lane];
        }
        if (transpose) {
            // s^T y = w
#pragma unroll
            for (int q = 0; q < NB; ++q) {
#pragma unroll
                for (int before = 0; before < q; ++before) w[q] -= s[before * NB + q] * w[before];
                w[q] *= taus[q];
            }
        } else {
            // s y = w
#pragma unroll
            for (int q = NB - 1; q >= 0; --q) {
#pragma unroll
                for (int after = q + 1; after < NB; ++after) w[q] -= s[q * NB + after] * w[after];
                w[q] *= taus[q];
            }
        }
        for (uint top = 0; first + top < m; top += ROWS) {
            load(top, t);
            for (uint i = simd; i < uint(ROWS) && first + top + i < m; i += SIMDS) {
                S change = S(0);
#pragma unroll
                for (int q = 0; q < NB; ++q) change += stage[i * NB + q] * w[q];
                if (mine) column[ulong(top + i) * p] -= change;
            }
        }
        // The parts were read before the next tile's are written; the columns are there for other threads.
        threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    }
};
