// A group of 256 threads a matrix, one column after the other; the columns to its right follow in tiles of 32. `lengths` has what is left of
// each column's length, and that when it was last computed from its elements; columns that are not pivoted have none. A vector is read from v
// where it is held, else where it lies, below its head.
threadgroup S v[HELD ? 4096 : 1];
threadgroup S parts[8 * 32];
threadgroup S sums[8];
threadgroup uint places[8];
threadgroup uint again;
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32, simd = t / 32;
const uint count = min(m, n);
const device S* from = a + ulong(item) * m * n;
device S* to = reflectors + ulong(item) * m * n;
device S* now = lengths + ulong(item) * 2 * n;
device S* known = now + n;
device int* order = permutation + ulong(item) * n;
const Columns<S> columns = {parts, lane, simd};

for (uint e = t; e < m * n; e += 256) to[e] = from[e];
for (uint j = t; j < n; j += 256) order[j] = int(j);
// The copy is complete before other threads read it.
threadgroup_barrier(mem_flags::mem_device);
for (uint left = 0; PIVOTED && left < n; left += 32) {
    const bool mine = left + lane < n;
    const S length = columns.length(to + left + lane, mine, 0, m, n);
    if (simd == 0 && mine) {
        now[left + lane] = length;
        known[left + lane] = length;
    }
}

for (uint k = 0; k < count; ++k) {
    // The lengths and columns are there, and what was shared was read, before the next step.
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    S best = S(-2);
    uint pivot = PIVOTED ? n : k;
    if (PIVOTED) {
        for (uint j = k + t; j < n; j += 256) {
            const S length = now[j] == now[j] ? now[j] : S(-1);
            if (length > best) {
                best = length;
                pivot = j;
            }
        }
        longest(best, pivot);
        if (lane == 0) {
            sums[simd] = best;
            places[simd] = pivot;
        }
        // The SIMD groups' choices are there before they are compared.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        best = sums[0];
        pivot = places[0];
        for (uint g = 1; g < 8; ++g) {
            if (sums[g] > best || (sums[g] == best && places[g] < pivot)) {
                best = sums[g];
                pivot = places[g];
            }
        }
        // All have compared them before they change.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    S largest = S(0);
    for (uint i = t; i < m; i += 256) {
        device S* row = to + ulong(i) * n;
        const S x = row[pivot];
        if (pivot != k) {
            row[pivot] = row[k];
            row[k] = x;
        }
        if (i > k && (magnitude(x) > largest || x != x)) largest = magnitude(x);
    }
    if (t == 0 && pivot != k) {
        const int column = order[k];
        order[k] = order[pivot];
        order[pivot] = column;
        now[pivot] = now[k];
        known[pivot] = known[k];
    }
#pragma unroll
    for (ushort distance = 16; distance > 0; distance /= 2) {
        const S other = simd_shuffle_xor(largest, distance);
        largest = other > largest || other != other ? other : largest;
    }
    if (lane == 0) sums[simd] = largest;
    // The columns are where they belong, and the largest elements there, before they are read.
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    for (uint g = 0; g < 8; ++g) largest = sums[g] > largest || sums[g] != sums[g] ? sums[g] : largest;
    const S alpha = to[ulong(k) * n + k];
    // A tail of zeros is left as it is: its reflection is the identity.
    const bool turns = largest != S(0);
    const S scale = !turns ? S(1) : magnitude(alpha) > largest ? magnitude(alpha) : largest;
    S square = S(0);
    for (uint i = k + 1 + t; i < m; i += 256) {
        const S x = to[ulong(i) * n + k] / scale;
        square += x * x;
    }
    square = simd_sum(square);
    // The largest elements were read before the squares take their place.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (lane == 0) sums[simd] = square;
    // The squares are there before they are added; all have read the head.
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    square = S(0);
    for (uint g = 0; g < 8; ++g) square += sums[g];
    Reflection<S> h = {alpha, S(0), S(1)};
    if (turns) h = reflection(alpha / scale, square);
    for (uint i = k + t; i < m; i += 256) {
        device S* x = to + ulong(i) * n + k;
        const S element = i == k ? S(1) : *x / scale / h.distance;
        if (HELD) v[i - k] = element;
        *x = i == k ? h.beta * scale : element;
    }
    if (t == 0) tau[ulong(item) * count + k] = h.tau;
    // The vector is there before it is used.
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    for (uint left = k + 1; left < n; left += 32) {
        const uint j = left + lane;
        const bool mine = j < n;
        S product = S(0);
        for (uint i = k + simd; i < m && mine; i += 8) {
            const S x = HELD ? v[i - k] : i == k ? S(1) : to[ulong(i) * n + k];
            product += x * to[ulong(i) * n + j];
        }
        const S change = h.tau * columns.total(product, false);
        for (uint i = k + simd; i < m && mine && turns; i += 8) {
            const S x = HELD ? v[i - k] : i == k ? S(1) : to[ulong(i) * n + k];
            to[ulong(i) * n + j] -= change * x;
        }
        bool enough = true;
        if (PIVOTED && simd == 0) {
            if (mine) {
                // SIMD group 0 has changed row k itself.
                S length = now[j];
                enough = shorten(length, known[j], to[ulong(k) * n + j]);
                if (enough) now[j] = length;
            }
            const bool some = simd_any(!enough);
            if (lane == 0) again = some ? 1 : 0;
        }
        // The columns are there, and whether a length has to be computed from them.
        threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
        if (PIVOTED && again != 0) {
            const S length = columns.length(to + j, mine, k + 1, m, n);
            if (!enough) {
                now[j] = length;
                known[j] = length;
            }
        }
    }
}
