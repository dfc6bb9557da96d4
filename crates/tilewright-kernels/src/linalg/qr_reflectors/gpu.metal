// A SIMD group a matrix: lane j holds column j of it. Each lane measures its own column; that of the pivot counts.
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
if (item >= items) return;
const device S* from = a + ulong(item) * m * n + lane;
device S* to = reflectors + ulong(item) * m * n + lane;
S x[N];
#pragma unroll
for (int i = 0; i < N; ++i) x[i] = uint(i) < m && lane < n ? from[i * n] : S(0);
#pragma unroll
for (int k = 0; k < N; ++k) {
    if (uint(k) < min(m, n)) {
        S square = S(0);
#pragma unroll
        for (int i = k + 1; i < N; ++i) square += x[i] * x[i];
        Reflection<S> h = {x[k], S(0), S(1)};
        if (lane == uint(k)) {
            S scale = S(1);
            S alpha = x[k];
            bool any = true;
            if (!(is_safe(square) && is_safe(alpha * alpha + square))) {
                S largest = S(0);
#pragma unroll
                for (int i = k + 1; i < N; ++i) largest = magnitude(x[i]) > largest ? magnitude(x[i]) : largest;
                any = largest > S(0);
                if (any) {
                    scale = largest > magnitude(alpha) ? largest : magnitude(alpha);
                    alpha /= scale;
                    square = S(0);
#pragma unroll
                    for (int i = k + 1; i < N; ++i) {
                        x[i] /= scale;
                        square += x[i] * x[i];
                    }
                }
            }
            // A tail of zeros is left as it is: its reflection is the identity.
            if (any) {
                h = reflection(alpha, square);
#pragma unroll
                for (int i = k + 1; i < N; ++i) x[i] /= h.distance;
                x[k] = h.beta * scale;
            }
            tau[ulong(item) * min(m, n) + k] = h.tau;
        }
        const S factor = simd_broadcast(h.tau, ushort(k));
        const bool right = lane > uint(k);
        S w = x[k];
#pragma unroll
        for (int i = k + 1; i < N; ++i) w += simd_broadcast(x[i], ushort(k)) * x[i];
        w *= factor;
        x[k] -= right ? w : S(0);
#pragma unroll
        for (int i = k + 1; i < N; ++i) {
            const S v = simd_broadcast(x[i], ushort(k));
            x[i] -= right ? w * v : S(0);
        }
    }
}
#pragma unroll
for (int i = 0; i < N; ++i) {
    if (uint(i) < m && lane < n) to[i * n] = x[i];
}
