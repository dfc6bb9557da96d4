// Elimination where each of 32 W threads holds a row of its own, in registers. Columns move up a place with each pivot, so that the one to be
// eliminated is always the first; pivots' rows go to threadgroup memory as they are chosen, and stay there. No row moves.

// Sizes as whole numbers in the same order; a NaN before all numbers, and after 0, which is no row's.
inline uint rank_of(float x) { return x == x ? (as_type<uint>(x) & 0x7fffffffu) + 2u : 1u; }
template <typename S> inline ulong rank_of(S x) { return x == x ? (as_type<ulong>(x) & ~(ulong(1) << 63)) + 2 : 1; }

template <int W, typename S> struct Rows {
    enum : int { N = 32 * W };
    threadgroup S* rows;     // [N][N]: row k begins with its diagonal
    threadgroup ulong* claims;  // [W]
    threadgroup uint* chosen;  // [W]
    threadgroup uint* order;  // [N]: the row that is pivot k
    uint r, w, lane;

    // Among the threads of one matrix.
    void sync() const {
        if (W == 1) simdgroup_barrier(mem_flags::mem_threadgroup);
        else threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // The largest of those that are left; of equal ones the first.
    uint choose(S x, bool left) const {
        const auto rank = left ? rank_of(x) : rank_of(x) * 0;
        auto most = simd_max(rank);
        uint row = simd_min(left && rank == most ? r : uint(N));
        if (W > 1) {
            if (lane == 0) {
                claims[w] = most;
                chosen[w] = row;
            }
            // All claims are there before they are compared.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            ulong best = claims[0];
            row = chosen[0];
#pragma unroll
            for (int v = 1; v < W; ++v) {
                const ulong other = claims[v];
                row = other > best ? chosen[v] : row;
                best = max(best, other);
            }
        }
        return row;
    }

    // Makes the thread's row that of the pivot for all, `LENGTH` elements of it.
    template <int LENGTH> void give(const thread S (&x)[N], uint k) const {
        threadgroup vec<S, 4>* to = (threadgroup vec<S, 4>*)(rows + k * N);
#pragma unroll
        for (int c = 0; c < LENGTH / 4; ++c) to[c] = vec<S, 4>(x[4 * c], x[4 * c + 1], x[4 * c + 2], x[4 * c + 3]);
        order[k] = r;
    }

    // Row less a multiple of the pivot's, `LENGTH` elements of it, each a place up. The last is `last`.
    template <int LENGTH> void eliminate(thread S (&x)[N], uint k, S factor, S last) const {
        const threadgroup vec<S, 4>* from = (const threadgroup vec<S, 4>*)(rows + k * N);
#pragma unroll
        for (int c = 0; c < LENGTH / 4; ++c) {
            const vec<S, 4> others = from[c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (4 * c + e > 0) x[4 * c + e - 1] = x[4 * c + e] - factor * others[e];
            }
        }
        x[LENGTH - 1] = last;
    }
};
