template <typename S> inline S magnitude(S x) { return x < S(0) ? -x : x; }

// Unit roundoff, twice.
template <typename S> inline S epsilon() { return sizeof(S) == 8 ? S(2.220446049250313e-16f) : S(1.1920929e-7f); }

// The square of a norm below which a column is one of zeros: beside numbers of size 1 it is less than a rounding of a rounding.
template <typename S> inline S nothing() { return sizeof(S) == 8 ? S(1e-30f) * S(1e-30f) : S(1e-30f); }

// The pair of blocks that meets at table `pair` in step t of a tournament of an even number of blocks, the lower one first: every two meet
// once in blocks - 1 steps.
struct Pair {
    uint low, high;
};

inline Pair pair_at(uint pair, uint t, uint blocks) {
    const uint last = blocks - 1;
    if (pair == 0) return Pair{t, last};
    const uint a = (t + pair) % last, b = (t + last - pair) % last;
    return Pair{min(a, b), max(a, b)};
}

// The lane of lane 0's block, within all tables, where block q sits in step t.
inline uint seat_of(uint q, uint t, uint blocks) {
    const uint last = blocks - 1;
    if (q == last) return 16;
    const uint d = (q + last - t) % last;
    if (d == 0) return 0;
    const uint table = 2 * d < last ? d : last - d;
    return table * 32 + (q > (t + last - d) % last ? 16 : 0);
}

// The largest of all threads' values, of a group of SIMDS SIMD groups; NaN if one is.
template <int SIMDS, typename S> inline S group_largest(S value, threadgroup S* sums, uint t) {
#pragma unroll
    for (ushort distance = 16; distance > 0; distance /= 2) {
        const S other = simd_shuffle_xor(value, distance);
        value = other > value || other != other ? other : value;
    }
    // What was there was read before it changes.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (t % 32 == 0) sums[t / 32] = value;
    // All are there before they are compared.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (int g = 0; g < SIMDS; ++g) value = sums[g] > value || sums[g] != sums[g] ? sums[g] : value;
    return value;
}

// Their sum.
template <int SIMDS, typename S> inline S group_sum(S value, threadgroup S* sums, uint t) {
    value = simd_sum(value);
    // What was there was read before it changes.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (t % 32 == 0) sums[t / 32] = value;
    // All are there before they are added.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    S total = S(0);
    for (int g = 0; g < SIMDS; ++g) total += sums[g];
    return total;
}

// One-sided Jacobi rotations of the columns of a matrix g: where all are orthogonal, g = u s with v = 1 turned along, so that the first
// g = u s v^T. A lane holds R rows of a column of g, and with TURNS of v; PARTS SIMD groups hold a column. A SIMD group holds two blocks of
// 16 columns, and in round r lane l meets lane l ^ r: 31 rounds are all pairs of the two blocks, the last 16 of them those between the blocks.
template <int R, int PARTS, int SIMDS, bool TURNS, typename S> struct Jacobi {
    threadgroup S* sums;  // [2][SIMDS][32][2]
    uint lane, simd;
    S tolerance;
    uint buffer;
    S x[R];
    S v[R];

    // The totals of two numbers of a column over its parts.
    void total(thread S& a, thread S& b) {
        if (PARTS > 1) {
            threadgroup S* all = sums + buffer * SIMDS * 64;
            buffer ^= 1;
            all[(simd * 32 + lane) * 2] = a;
            all[(simd * 32 + lane) * 2 + 1] = b;
            // All parts are there before they are added; the other buffer was read before this barrier, and so may change after it.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            a = S(0);
            b = S(0);
            const uint first = simd / PARTS * PARTS;
#pragma unroll
            for (int p = 0; p < PARTS; ++p) {
                a += all[((first + p) * 32 + lane) * 2];
                b += all[((first + p) * 32 + lane) * 2 + 1];
            }
        }
    }

    S square() {
        S a = S(0), b = S(0);
#pragma unroll
        for (int i = 0; i < R; ++i) a += x[i] * x[i];
        total(a, b);
        return a;
    }

    // Makes the columns of lanes l and l ^ r orthogonal, the longer one first. Whether any two of the SIMD group were not so before.
    bool meet(ushort r) {
        S y[R];
        S own = S(0), product = S(0);
#pragma unroll
        for (int i = 0; i < R; ++i) {
            y[i] = simd_shuffle_xor(x[i], r);
            own += x[i] * x[i];
            product += x[i] * y[i];
        }
        total(own, product);
        const S other = simd_shuffle_xor(own, r);
        const bool first = lane < (lane ^ r);
        // Both lanes find the same product and bound, bit for bit, and so the same angle, of opposite sign.
        const S bound = tolerance * (sqrt(own) * sqrt(other));
        const bool turn = own > nothing<S>() && other > nothing<S>() && magnitude(product) > bound;
        const bool exchange = first ? own < other : other < own;
        if (!simd_any(turn || exchange)) return false;
        S c = S(1), s = S(0);
        if (turn) {
            const S cotangent = (other - own) / (S(2) * product);
            // The square of a large one overflows, beside which the 1 is nothing: a column of roundings would be turned by nothing, for ever.
            const S size = magnitude(cotangent);
            const S tangent = S(1) / (size + (size > S(1e9f) ? size : sqrt(S(1) + size * size)));
            c = S(1) / sqrt(S(1) + tangent * tangent);
            s = cotangent > S(0) || (cotangent == S(0) && first) ? c * tangent : -(c * tangent);
        }
        const S keep = exchange ? s : c, take = exchange ? c : -s;
#pragma unroll
        for (int i = 0; i < R; ++i) x[i] = keep * x[i] + take * y[i];
        if (TURNS) {
#pragma unroll
            for (int i = 0; i < R; ++i) {
                const S w = simd_shuffle_xor(v[i], r);
                v[i] = keep * v[i] + take * w;
            }
        }
        return simd_any(turn);
    }
};

// Rows known .. n of `rows`, n x n, those before being orthonormal, become so too. `w` has room for n numbers.
template <int SIMDS, typename S>
inline void complete(device S* rows, uint n, uint known, threadgroup S* w, threadgroup S* sums, uint t) {
    for (uint z = known; z < n; ++z) {
        // Of the unit vectors, that of which least lies in the space of the rows before: at most z / n of its square.
        S least = S(2);
        uint where = 0;
        for (uint i = t; i < n; i += SIMDS * 32) {
            S share = S(0);
            for (uint j = 0; j < z; ++j) share += rows[ulong(j) * n + i] * rows[ulong(j) * n + i];
            if (share < least) {
                least = share;
                where = i;
            }
        }
        const S most = group_largest<SIMDS>(S(2) - least, sums, t);
        // The first place of those that are equal.
        const uint mine = S(2) - least == most ? where : n;
        const uint unit = uint(n - group_largest<SIMDS>(S(n - mine), sums, t));
        for (uint i = t; i < n; i += SIMDS * 32) {
            S x = S(i == unit);
            for (uint j = 0; j < z; ++j) x -= rows[ulong(j) * n + unit] * rows[ulong(j) * n + i];
            rows[ulong(z) * n + i] = x;
        }
        // The row is there before others read it.
        threadgroup_barrier(mem_flags::mem_device);
        // Once more, as what is left may be short.
        for (uint j = t / 32; j < z; j += SIMDS) {
            S product = S(0);
            for (uint i = t % 32; i < n; i += 32) product += rows[ulong(j) * n + i] * rows[ulong(z) * n + i];
            product = simd_sum(product);
            if (t % 32 == 0) w[j] = product;
        }
        // The products are there before they are used.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        S square = S(0);
        for (uint i = t; i < n; i += SIMDS * 32) {
            S x = rows[ulong(z) * n + i];
            for (uint j = 0; j < z; ++j) x -= w[j] * rows[ulong(j) * n + i];
            rows[ulong(z) * n + i] = x;
            square += x * x;
        }
        const S norm = sqrt(group_sum<SIMDS>(square, sums, t));
        for (uint i = t; i < n; i += SIMDS * 32) rows[ulong(z) * n + i] /= norm;
        // The row is there, and w was read, before the next one.
        threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    }
}
