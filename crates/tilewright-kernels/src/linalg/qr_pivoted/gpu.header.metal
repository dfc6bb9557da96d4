// Follows the header of the reflections.

// Less than so much of a square, and half of its digits are those of roundings.
template <typename S> inline S least_left() { return sizeof(S) == 8 ? S(1.4901161e-8f) : S(3.4526698e-4f); }

// The length of the rows from `first` on of a column in registers.
template <int N, typename S> inline S column_length(thread S (&x)[N], uint first) {
    S largest = S(0);
#pragma unroll
    for (int i = 0; i < N; ++i) {
        // A NaN is not lost.
        if (uint(i) >= first && (magnitude(x[i]) > largest || x[i] != x[i])) largest = magnitude(x[i]);
    }
    if (!(largest > S(0))) return largest;
    S square = S(0);
#pragma unroll
    for (int i = 0; i < N; ++i) {
        const S part = x[i] / largest;
        square += uint(i) >= first ? part * part : S(0);
    }
    return largest * sqrt(square);
}

// What is left of a column's length without its element `x`; false if it has to be computed from the elements.
template <typename S> inline bool shorten(thread S& now, S known, S x) {
    if (now == S(0)) return true;
    const S part = x / now;
    S left = S(1) - part * part;
    left = left < S(0) ? S(0) : left;
    const S since = now / known;
    if (left * (since * since) <= least_left<S>()) return false;
    now *= sqrt(left);
    return true;
}

// The longest and its place: the first of equal ones. Over the lanes of a SIMD group; lengths that are no numbers do not count.
template <typename S> inline void longest(thread S& length, thread uint& place) {
#pragma unroll
    for (ushort distance = 16; distance > 0; distance /= 2) {
        const S other = simd_shuffle_xor(length, distance);
        const uint where = simd_shuffle_xor(place, distance);
        if (other > length || (other == length && where < place)) {
            length = other;
            place = where;
        }
    }
}

// Columns in the rows of a matrix that a group of 256 threads has in memory: a lane takes a column, and the SIMD groups take the rows in turn.
template <typename S> struct Columns {
    threadgroup S* parts;  // [8][32]
    uint lane, simd;

    // The total over all rows, or with `largest` the largest, NaN if there is one.
    S total(S value, bool largest) const {
        // What was there was read before it changes.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        parts[simd * 32 + lane] = value;
        // All parts are there before they are added.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        S sum = parts[lane];
        for (uint g = 1; g < 8; ++g) {
            const S part = parts[g * 32 + lane];
            sum = !largest ? sum + part : part > sum || part != part ? part : sum;
        }
        return sum;
    }

    // The length of rows first .. m of the column that begins at x, of rows of n elements.
    S length(const device S* x, bool mine, uint first, uint m, uint n) const {
        S most = S(0);
        for (uint i = first + simd; i < m && mine; i += 8) {
            const S size = magnitude(x[ulong(i) * n]);
            most = size > most || size != size ? size : most;
        }
        most = total(most, true);
        S square = S(0);
        for (uint i = first + simd; i < m && mine; i += 8) {
            const S part = x[ulong(i) * n] / (most == S(0) ? S(1) : most);
            square += part * part;
        }
        return most * sqrt(total(square, false));
    }
};
