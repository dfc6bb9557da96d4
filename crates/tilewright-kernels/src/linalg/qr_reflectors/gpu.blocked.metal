// A group of 256 threads a matrix, in panels of NB columns. A thread holds R rows of the panel in registers. One sum over the rows gives the
// norm of a column and its products with those to the right; where that leaves the range, the column is scaled first. Then the columns to
// the right of the panel follow in tiles of 32.
threadgroup S stage[64 * NB];
threadgroup S parts[8 * NB * 32];
threadgroup S s[NB * NB];
threadgroup S taus[NB];
threadgroup S sums[8 * NB];
threadgroup S totals[NB];
threadgroup S heads[2 * NB];
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const uint most = min(m, n);
const device S* from = a + ulong(item) * m * n;
device S* to = reflectors + ulong(item) * m * n;
device S* factors = tau + ulong(item) * most;

for (uint e = t; e < m * n; e += 256) to[e] = from[e];
// The copy is complete before other threads read it.
threadgroup_barrier(mem_flags::mem_device);

for (uint k = 0; k < most; k += NB) {
    const uint width = min(uint(NB), n - k);
    const uint count = min(width, m - k);
    S row[R][NB];
#pragma unroll
    for (int r = 0; r < R; ++r) {
        const uint i = k + t + r * 256;
#pragma unroll
        for (int c = 0; c < NB; ++c) row[r][c] = i < m && uint(c) < width ? to[i * n + k + c] : S(0);
    }
#pragma unroll
    for (int c = 0; c < NB; ++c) {
        if (uint(c) < count) {
            // Rows below the head; those beyond the matrix are zeros.
            threadgroup S* head = heads + c % 2 * NB;
            S dots[NB];
#pragma unroll
            for (int j = 0; j < NB; ++j) dots[j] = S(0);
#pragma unroll
            for (int r = 0; r < R; ++r) {
                const bool below = t + r * 256 > uint(c);
#pragma unroll
                for (int j = c; j < NB; ++j) dots[j] += below ? row[r][c] * row[r][j] : S(0);
            }
            if (t == uint(c)) {
#pragma unroll
                for (int j = c; j < NB; ++j) head[j] = row[0][j];
            }
            group_sums<NB, S>(dots, c, sums, totals, t);
            S alpha = head[c];
            S scale = S(1);
            bool safe = is_safe(totals[c]) && is_safe(alpha * alpha + totals[c]);
#pragma unroll
            for (int j = c + 1; j < NB; ++j) safe = safe && magnitude(totals[j]) < S(1e36f);
            Reflection<S> h = {alpha, S(0), S(1)};
            S over = S(1);
            if (safe) {
                h = reflection(alpha, totals[c]);
                over = h.distance;
#pragma unroll
                for (int r = 0; r < R; ++r) row[r][c] = t + r * 256 > uint(c) ? row[r][c] / h.distance : row[r][c];
            } else {
                S largest = S(0);
#pragma unroll
                for (int r = 0; r < R; ++r) {
                    const S size = magnitude(row[r][c]);
                    largest = t + r * 256 > uint(c) && size > largest ? size : largest;
                }
                largest = group_largest(largest, sums, t);
                // A tail of zeros is left as it is: its reflection is the identity.
                if (largest > S(0)) {
                    scale = largest > magnitude(alpha) ? largest : magnitude(alpha);
                    dots[c] = S(0);
#pragma unroll
                    for (int r = 0; r < R; ++r) {
                        if (t + r * 256 > uint(c)) {
                            row[r][c] /= scale;
                            dots[c] += row[r][c] * row[r][c];
                        }
                    }
                    group_sums<NB, S>(dots, c, sums, totals, t);
                    h = reflection(alpha / scale, totals[c]);
#pragma unroll
                    for (int j = c + 1; j < NB; ++j) dots[j] = S(0);
#pragma unroll
                    for (int r = 0; r < R; ++r) {
                        if (t + r * 256 > uint(c)) {
                            row[r][c] /= h.distance;
#pragma unroll
                            for (int j = c + 1; j < NB; ++j) dots[j] += row[r][c] * row[r][j];
                        }
                    }
                    group_sums<NB, S>(dots, c + 1, sums, totals, t);
                }
            }
#pragma unroll
            for (int j = c + 1; j < NB; ++j) {
                const S factor = h.tau == S(0) ? S(0) : h.tau * (head[j] + totals[j] / over);
#pragma unroll
                for (int r = 0; r < R; ++r) {
                    const S v = t + r * 256 > uint(c) ? row[r][c] : S(t + r * 256 == uint(c));
                    row[r][j] -= factor * v;
                }
            }
            if (t == uint(c)) {
                row[0][c] = h.beta * scale;
                factors[k + c] = h.tau;
            }
        }
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
        const uint i = k + t + r * 256;
#pragma unroll
        for (int c = 0; c < NB; ++c) {
            if (i < m && uint(c) < width) to[i * n + k + c] = row[r][c];
        }
    }
    // The vectors and factors are there for all threads.
    threadgroup_barrier(mem_flags::mem_device);
    if (k + width < n) {
        const Block<NB, S> block = {stage, parts, s, taus, to, k, count, m, n};
        block.prepare(factors, t);
        for (uint left = k + width; left < n; left += 32) block.apply(to, n, left, n, true, t);
    }
}
