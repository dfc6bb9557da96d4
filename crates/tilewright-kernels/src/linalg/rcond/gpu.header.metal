// What a number's exponent stands for, so that a quotient by it keeps all digits; for less than a normal number, the least of these.
inline float power_of_two(float x) { return as_type<float>(max(as_type<uint>(x) & 0x7f800000u, 0x00800000u)); }
template <typename S> inline S power_of_two(S x) {
    const ulong exponent = as_type<ulong>(x) & (ulong(0x7ff) << 52), least = ulong(1) << 52;
    return as_type<S>(exponent > least ? exponent : least);
}

// A group of SIMDS SIMD groups that solves with the factors of a matrix.
template <int SIMDS, typename S> struct Factors {
    enum : uint { THREADS = 32 * SIMDS, PITCH = 33 };
    const device S* lu;
    uint n;
    threadgroup S* x;      // [n]
    threadgroup S* block;  // [32][PITCH]
    threadgroup S* parts;  // [SIMDS]
    uint t;

    // x becomes the solution of a system with a triangle or its transpose, by blocks of 32 rows: first the triangle on the diagonal, then what is
    // left of x less the products with what is known. Rows are counted in the order in which they are solved.
    void substitute(bool upper, bool transpose) const {
        const bool backward = upper != transpose;
        const int64_t step = backward ? -1 : 1;
        const int64_t first = backward ? int64_t(n) - 1 : 0;
        const int64_t down = step * (transpose ? 1 : int64_t(n)), across = step * (transpose ? int64_t(n) : 1);
        const device S* triangle = lu + first * (int64_t(n) + 1);
        for (uint top = 0; top < n; top += 32) {
            const device S* corner = triangle + top * (down + across);
            // x is there, and the block before this one was read.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            for (uint e = t; e < 1024; e += THREADS) {
                const uint p = e / 32, q = e % 32;
                const bool inside = top + p < n && (q < p || (q == p && upper));
                block[p * PITCH + q] = inside ? corner[p * down + q * across] : S(p == q);
            }
            // The block is there before it is used.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            threadgroup S* known = x + (first + step * int64_t(top));
            if (t < 32) {
                S rest = top + t < n ? known[step * int64_t(t)] : S(0);
                for (ushort q = 0; q < 32; ++q) {
                    const S solved = simd_broadcast(rest, q) / block[q * PITCH + q];
                    rest = t == q ? solved : t > q ? rest - block[t * PITCH + q] * solved : rest;
                }
                if (top + t < n) known[step * int64_t(t)] = rest;
            }
            // It is solved before others are rid of it.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            for (uint i = 32 + t; top + i < n; i += THREADS) {
                S rest = known[step * int64_t(i)];
                for (uint q = 0; q < 32; ++q) rest -= corner[i * down + q * across] * known[step * int64_t(q)];
                known[step * int64_t(i)] = rest;
            }
        }
        // The last block is there.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // x becomes the solution of a system with the matrix, or its transpose.
    void solve(bool transpose) const {
        substitute(transpose, transpose);
        substitute(!transpose, transpose);
    }

    // The sum of the absolute values of x.
    S size() const {
        S sum = S(0);
        for (uint i = t; i < n; i += THREADS) sum += magnitude(x[i]);
        return group_sum<SIMDS, S>(sum, parts, t);
    }
};
