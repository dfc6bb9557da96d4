// A row's claim to be the pivot: the size of its element, and where it stands.
template <typename S> struct Claim {
    S size;
    uint place;
};

template <typename S> inline Claim<S> stronger(Claim<S> x, Claim<S> y) {
    return y.size > x.size || (y.size == x.size && y.place < x.place) ? y : x;
}

// Sizes as whole numbers in the same order: 1 for zero, 0 for a NaN, which makes no claim.
inline uint order_of(float x) { return x == x ? (as_type<uint>(x) & 0x7fffffffu) + 1u : 0u; }
template <typename S> inline ulong order_of(S x) { return x == x ? (as_type<ulong>(x) & ~(ulong(1) << 63)) + 1 : 0; }

// Where a row stands that is none of the matrix's.
constant constexpr uint NOWHERE = 1u << 20;

// Eliminates below `pivots` pivots of a matrix whose row i lane i of a SIMD group holds. No row moves: `place` says where a lane's row stands
// by now. The pivot is the largest of the rows that are left; of equal ones the first; where all are NaN, the row that stands there. Returns
// the first pivot, counted from 1, that is zero, or 0. `pairs`, two of N elements, is for the group alone.
template <int N, typename S>
inline int eliminate_rows(thread S (&row)[N], thread uint& place, uint pivots, threadgroup vec<S, 4>* pairs) {
    int failed = 0;
#pragma unroll
    for (int k = 0; k < N; ++k) {
        if (uint(k) < pivots) {
            threadgroup vec<S, 4>* pivot_row = pairs + k % 2 * (N / 4);
            const bool left = place >= uint(k) && place != NOWHERE;
            const auto size = left ? order_of(row[k]) : 0;
            const auto largest = simd_max(size);
            const uint chosen = simd_min(left && size == largest ? place : NOWHERE);
            const bool mine = place == chosen;
            if (mine) {
#pragma unroll
                for (int c = k / 4; c < N / 4; ++c) {
                    pivot_row[c] = vec<S, 4>(row[4 * c], row[4 * c + 1], row[4 * c + 2], row[4 * c + 3]);
                }
            }
            place = mine ? uint(k) : place == uint(k) ? chosen : place;
            // The row is there before it is read; two turns ago its memory was read.
            simdgroup_barrier(mem_flags::mem_threadgroup);
            vec<S, 4> others = pivot_row[k / 4];
            const S pivot = others[k % 4];
            if (failed == 0 && pivot == S(0)) failed = k + 1;
            if (left && !mine) {
                // Below a zero pivot there are only zeros.
                const S factor = pivot == S(0) ? S(0) : row[k] / pivot;
                row[k] = factor;
#pragma unroll
                for (int c = k / 4; c < N / 4; ++c) {
                    if (c > k / 4) others = pivot_row[c];
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        if (4 * c + e > k) row[4 * c + e] -= factor * others[e];
                    }
                }
            }
        }
    }
    return failed;
}

// Elimination by a group of 32 W threads, of a matrix of up to 32 Q rows, W of them at a time: row i is that of SIMD group i % W, and every
// SIMD group knows where all rows stand, row lane + 32 q by its lane. No row moves.
template <int W, int Q, typename S> struct Pivoting {
    // So many for vectors of a SIMD group's rows, and in different banks for threads that read one row each.
    enum : int { PITCH = 32 * Q / W + 4 };
    threadgroup S* column;   // [W][PITCH]
    threadgroup S* factors;  // [W][PITCH]
    uint lane, w;

    static uint at(uint row) { return row % W * PITCH + row / W; }

    // The row that becomes row k, of those not yet chosen, by the column's elements; it and the one that stood there change places.
    uint choose(thread uint (&place)[Q], uint k, uint m) const {
        auto largest = order_of(column[at(lane)]) * 0;
        decltype(largest) sizes[Q];
#pragma unroll
        for (int q = 0; q < Q; ++q) {
            sizes[q] = place[q] >= k && place[q] < m ? order_of(column[at(lane + 32 * q)]) : 0;
            largest = sizes[q] > largest ? sizes[q] : largest;
        }
        largest = simd_max(largest);
        uint chosen = NOWHERE;
#pragma unroll
        for (int q = 0; q < Q; ++q) {
            if (sizes[q] == largest && place[q] >= k && place[q] < chosen) chosen = place[q];
        }
        chosen = simd_min(chosen);
        uint row = 0;
#pragma unroll
        for (int q = 0; q < Q; ++q) {
            if (place[q] == chosen) row = lane + 32 * q;
            place[q] = place[q] == chosen ? k : place[q] == k ? chosen : place[q];
        }
        return simd_max(row);
    }

    // What each row loses of row k's, in `factors`: `none` for those that were chosen. Below a zero pivot there are only zeros.
    void divide(thread const uint (&place)[Q], uint k, uint m, S pivot, S none = S(0)) const {
#pragma unroll
        for (int q = 0; q < Q; ++q) {
            if (w == uint(q) % W) {
                const uint i = at(lane + 32 * q);
                const S factor = pivot != S(0) ? column[i] / pivot : S(0);
                factors[i] = place[q] > k && place[q] < m ? factor : none;
            }
        }
    }
};
