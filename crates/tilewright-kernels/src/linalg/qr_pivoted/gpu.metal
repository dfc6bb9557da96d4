// A SIMD group a matrix: lane j holds a column, and columns that change places change lanes.
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
if (item >= items) return;
const uint count = min(m, n);
const device S* from = a + ulong(item) * m * n + lane;
device S* to = reflectors + ulong(item) * m * n + lane;
S x[N];
#pragma unroll
for (int i = 0; i < N; ++i) x[i] = uint(i) < m && lane < n ? from[i * n] : S(0);
uint column = lane;
S now = column_length<N, S>(x, 0);
S known = now;
S factor = S(0);
// Not unrolled, so that the code is of N and not N squared steps: rows above k take part with zeros.
#pragma unroll 1
for (uint k = 0; k < count; ++k) {
    S best = lane < k || lane >= n ? S(-2) : now == now ? now : S(-1);
    uint pivot = lane;
    longest(best, pivot);
    const ushort with = ushort(lane == k ? pivot : lane == pivot ? k : lane);
    column = simd_shuffle(column, with);
    now = simd_shuffle(now, with);
    known = simd_shuffle(known, with);

    // Every lane makes the reflection of lane k; `own` is what its column has in row k.
    S u[N];
    S largest = S(0), alpha = S(0), own = S(0);
#pragma unroll
    for (int i = 0; i < N; ++i) {
        x[i] = simd_shuffle(x[i], with);
        const S element = simd_shuffle(x[i], ushort(k));
        u[i] = uint(i) > k ? element : S(0);
        alpha = uint(i) == k ? element : alpha;
        own = uint(i) == k ? x[i] : own;
        if (magnitude(u[i]) > largest || u[i] != u[i]) largest = magnitude(u[i]);
    }
    // A tail of zeros is left as it is: its reflection is the identity.
    if (largest != S(0)) {
        const S scale = magnitude(alpha) > largest ? magnitude(alpha) : largest;
        S square = S(0);
#pragma unroll
        for (int i = 0; i < N; ++i) {
            u[i] /= scale;
            square += u[i] * u[i];
        }
        const Reflection<S> h = reflection(alpha / scale, square);
        S product = own;
#pragma unroll
        for (int i = 0; i < N; ++i) {
            u[i] /= h.distance;
            product += u[i] * x[i];
        }
        const S change = h.tau * product;
        own -= change;
#pragma unroll
        for (int i = 0; i < N; ++i) {
            if (lane > k) x[i] = uint(i) == k ? own : x[i] - change * u[i];
            if (lane == k && uint(i) >= k) x[i] = uint(i) == k ? h.beta * scale : u[i];
        }
        if (lane == k) factor = h.tau;
    }
    if (lane > k && !shorten(now, known, own)) {
        now = column_length<N, S>(x, k + 1);
        known = now;
    }
}
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (uint(i) < m && lane < n) to[i * n] = x[i];
}
if (lane < n) permutation[ulong(item) * n + lane] = int(column);
if (lane < count) tau[ulong(item) * count + lane] = factor;
