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
#pragma unroll
for (int k = 0; k < N; ++k) {
    if (uint(k) < count) {
        S best = lane < uint(k) || lane >= n ? S(-2) : now == now ? now : S(-1);
        uint pivot = lane;
        longest(best, pivot);
        const ushort with = ushort(lane == uint(k) ? pivot : lane == pivot ? uint(k) : lane);
#pragma unroll
        for (int i = 0; i < N; ++i) x[i] = simd_shuffle(x[i], with);
        column = simd_shuffle(column, with);
        now = simd_shuffle(now, with);
        known = simd_shuffle(known, with);

        // Every lane makes the reflection of lane k.
        S u[N];
        S largest = S(0);
        const S alpha = simd_shuffle(x[k], ushort(k));
#pragma unroll
        for (int i = k + 1; i < N; ++i) {
            u[i] = simd_shuffle(x[i], ushort(k));
            if (magnitude(u[i]) > largest || u[i] != u[i]) largest = magnitude(u[i]);
        }
        // A tail of zeros is left as it is: its reflection is the identity.
        if (largest != S(0)) {
            const S scale = magnitude(alpha) > largest ? magnitude(alpha) : largest;
            S square = S(0);
#pragma unroll
            for (int i = k + 1; i < N; ++i) {
                u[i] /= scale;
                square += u[i] * u[i];
            }
            const Reflection<S> h = reflection(alpha / scale, square);
            S product = x[k];
#pragma unroll
            for (int i = k + 1; i < N; ++i) {
                u[i] /= h.distance;
                product += u[i] * x[i];
            }
            const S change = lane > uint(k) ? h.tau * product : S(0);
            x[k] = lane == uint(k) ? h.beta * scale : x[k] - change;
#pragma unroll
            for (int i = k + 1; i < N; ++i) x[i] = lane == uint(k) ? u[i] : x[i] - change * u[i];
            if (lane == uint(k)) factor = h.tau;
        }
        if (lane > uint(k) && !shorten(now, known, x[k])) {
            now = column_length<N, S>(x, k + 1);
            known = now;
        }
    }
}
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (uint(i) < m && lane < n) to[i * n] = x[i];
}
if (lane < n) permutation[ulong(item) * n + lane] = int(column);
if (lane < count) tau[ulong(item) * count + lane] = factor;
