// Reflections of matrices that lie in registers, with a column a lane. Follows gpu.header.metal.

// A reflection of a vector that needs scaling first, whose tail a SIMD group holds, Q elements a lane: they become those of v.
template <int Q, typename S> inline Reflection<S> scaled_reflection(thread S (&tail)[Q], S alpha) {
    S largest = S(0);
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        // A NaN is not lost.
        if (magnitude(tail[q]) > largest || tail[q] != tail[q]) largest = magnitude(tail[q]);
    }
#pragma unroll
    for (ushort distance = 16; distance > 0; distance /= 2) {
        const S other = simd_shuffle_xor(largest, distance);
        if (other > largest || other != other) largest = other;
    }
    // A tail of zeros is left as it is: its reflection is the identity.
    if (largest == S(0)) return Reflection<S>{alpha, S(0), S(1)};
    const S scale = magnitude(alpha) > largest ? magnitude(alpha) : largest;
    S square = S(0);
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        tail[q] /= scale;
        square += tail[q] * tail[q];
    }
#pragma unroll
    for (ushort distance = 16; distance > 0; distance /= 2) square += simd_shuffle_xor(square, distance);
    Reflection<S> h = reflection(alpha / scale, square);
#pragma unroll
    for (int q = 0; q < Q; ++q) tail[q] /= h.distance;
    h.beta *= scale;
    return h;
}

// Reflects columns of N elements, one a lane of a SIMD group: x becomes r, and what is below its diagonal is of no use. The tail of vector k
// stays in `vectors`, N of N elements for the group alone; `scalars` has the heads of the vectors, the factors by which they are applied, and
// the tau of those whose heads are 1, N of each.
template <int N, typename S>
inline void reflect_columns(thread S (&x)[N], uint count, threadgroup vec<S, 4>* vectors, threadgroup S* scalars, uint lane) {
#pragma unroll
    for (int k = 0; k < N; ++k) {
        if (uint(k) < count) {
            threadgroup vec<S, 4>* vector = vectors + k * (N / 4);
            threadgroup S* elements = (threadgroup S*)vector;
            if (lane == uint(k)) {
#pragma unroll
                for (int c = k / 4; c < N / 4; ++c) vector[c] = vec<S, 4>(x[4 * c], x[4 * c + 1], x[4 * c + 2], x[4 * c + 3]);
            }
            // The vector is there before it is read.
            simdgroup_barrier(mem_flags::mem_threadgroup);
            const S alpha = elements[k];
            S head = S(0), factor = S(0), tau = S(0), beta = alpha;
            S u[N];
            S product = S(0);
            bool scaled = false;
            for (;;) {
                S sums[4] = {S(0), S(0), S(0), S(0)};
#pragma unroll
                for (int c = k / 4; c < N / 4; ++c) {
                    const vec<S, 4> part = vector[c];
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        u[4 * c + e] = part[e];
                        if (4 * c + e > k) sums[e] += part[e] * x[4 * c + e];
                    }
                }
                product = (sums[0] + sums[1]) + (sums[2] + sums[3]);
                if (scaled) break;
                const S square = simd_broadcast(product, ushort(k));
                const S whole = alpha * alpha + square;
                const S inverse = inverse_root(whole);
                const S norm = whole * inverse;
                head = alpha < S(0) ? alpha - norm : alpha + norm;
                const bool safe = lane <= uint(k) || (magnitude(product) < S(1e36f) && magnitude(head * x[k]) < S(1e36f));
                if (is_safe(square) && is_safe(whole) && simd_all(safe)) {
                    beta = alpha < S(0) ? norm : -norm;
                    factor = inverse / magnitude(head);
                    tau = magnitude(head) * inverse;
                    break;
                }
                // All have read the vector before it is scaled.
                simdgroup_barrier(mem_flags::mem_threadgroup);
                const bool below = lane > uint(k) && lane < uint(N);
                S tail[1] = {below ? elements[lane] : S(0)};
                const Reflection<S> h = scaled_reflection<1, S>(tail, alpha);
                if (below) elements[lane] = tail[0];
                head = S(1);
                factor = h.tau;
                tau = h.tau;
                beta = h.beta;
                scaled = true;
                // The scaled vector is there before it is read.
                simdgroup_barrier(mem_flags::mem_threadgroup);
            }
            // Of columns to the left only what is below their diagonals changes.
            const S change = factor != S(0) ? factor * (head * x[k] + product) : S(0);
            x[k] = lane == uint(k) ? beta : x[k] - change * head;
#pragma unroll
            for (int i = k + 1; i < N; ++i) x[i] -= change * u[i];
            if (lane == uint(k)) {
                scalars[k] = head;
                scalars[N + k] = factor;
                scalars[2 * N + k] = tau;
            }
        }
    }
    // All vectors and factors are there before they are read.
    simdgroup_barrier(mem_flags::mem_threadgroup);
}

// A matrix of up to W P rows and 32 Q columns in the registers of 32 W threads: SIMD group w holds rows w + W p, and lane j of it columns
// j + 32 q.
template <int W, int P, int Q, typename S> struct Reflecting {
    // A SIMD group's rows in memory: vectors, and in different banks for threads that read one row each; its rows of 32 in a row; what a
    // lane has of the rows where they are divided among 32.
    enum : int { PITCH = P + 4, PER_BLOCK = 32 / W, SHARE = W * P / 32 };
    threadgroup vec<S, 4>* column;  // [W][PITCH]
    threadgroup S* tails;           // [W P], in the rows' order: the column once more, where it needs scaling
    threadgroup S* row;             // [32 Q]
    threadgroup S* sums;            // [W][32 Q]
    threadgroup S* taus;            // [32 Q]
    threadgroup S* diagonal;        // [32 Q]
    uint lane, w;

    // Whether row w + W p is one below k, which is in block kb: known beforehand in other blocks.
    bool below(int p, uint k, int kb) const { return p >= (kb + 1) * PER_BLOCK || (p >= kb * PER_BLOCK && w + W * p > k); }

    // The products of a vector, in `column`, with all columns from block kb on.
    void multiply(thread const S (&x)[P][Q], thread S (&v)[P], thread S (&totals)[Q], int kb) const {
        S mine[Q];
#pragma unroll
        for (int q = 0; q < Q; ++q) mine[q] = S(0);
#pragma unroll
        for (int c = 0; c < P / 4; ++c) {
            if (4 * c + 3 >= kb * PER_BLOCK) {
                const vec<S, 4> part = column[w * (PITCH / 4) + c];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    v[4 * c + e] = part[e];
#pragma unroll
                    for (int q = 0; q < Q; ++q) {
                        if (q >= kb) mine[q] += part[e] * x[4 * c + e][q];
                    }
                }
            }
        }
#pragma unroll
        for (int q = 0; q < Q; ++q) {
            if (q >= kb) sums[(w * Q + q) * 32 + lane] = mine[q];
        }
        // The sums of SIMD groups are there before they are added.
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int q = 0; q < Q; ++q) {
            totals[q] = S(0);
            if (q >= kb) {
#pragma unroll
                for (int g = 0; g < W; ++g) totals[q] += sums[(g * Q + q) * 32 + lane];
            }
        }
    }

    void reflect(thread S (&x)[P][Q], uint count) const {
        threadgroup S* elements = (threadgroup S*)column;
#pragma unroll
        for (int kb = 0; kb < Q; ++kb) {
            for (uint kk = 0; kk < 32; ++kk) {
                const uint k = 32 * kb + kk;
                if (k >= count) break;
                if (lane == kk) {
#pragma unroll
                    for (int p = 0; p < P; ++p) {
                        // Vectors begin where those of the block before end.
                        if (p / 4 >= kb * PER_BLOCK / 4) elements[w * PITCH + p] = below(p, k, kb) ? x[p][kb] : S(0);
                    }
                }
#pragma unroll
                for (int p = 0; p < P; ++p) {
                    if (p >= kb * PER_BLOCK && p < (kb + 1) * PER_BLOCK && w + W * p == k) {
#pragma unroll
                        for (int q = 0; q < Q; ++q) {
                            if (q >= kb) row[lane + 32 * q] = x[p][q];
                        }
                    }
                }
                // The tail and row k are there before they are read; the sums before were read.
                threadgroup_barrier(mem_flags::mem_threadgroup);
                S heads[Q], totals[Q], v[P];
#pragma unroll
                for (int q = 0; q < Q; ++q) heads[q] = q >= kb ? row[lane + 32 * q] : S(0);
                const S alpha = row[k];
                multiply(x, v, totals, kb);
                const S square = simd_broadcast(totals[kb], ushort(kk));
                const S whole = alpha * alpha + square;
                const S inverse = inverse_root(whole);
                const S norm = whole * inverse;
                S head = alpha < S(0) ? alpha - norm : alpha + norm;
                S beta = alpha < S(0) ? norm : -norm;
                const S inverse_head = S(1) / head;
                S factor = inverse * magnitude(inverse_head);
                S tau = magnitude(head) * inverse;
                bool safe = is_safe(square) && is_safe(whole);
#pragma unroll
                for (int q = 0; q < Q; ++q) {
                    const bool right = q > kb || (q == kb && lane > kk);
                    safe = safe && (!right || (magnitude(totals[q]) < S(1e36f) && magnitude(head * heads[q]) < S(1e36f)));
                }
                // All SIMD groups have the same totals, and so the same answer.
                if (!simd_all(safe)) {
                    if (lane == kk) {
#pragma unroll
                        for (int p = 0; p < P; ++p) tails[w + W * p] = w + W * p > k ? x[p][kb] : S(0);
                    }
                    // The tail is there before it is measured.
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                    S tail[SHARE];
#pragma unroll
                    for (int q = 0; q < SHARE; ++q) tail[q] = tails[lane + 32 * q];
                    const Reflection<S> h = scaled_reflection<SHARE, S>(tail, alpha);
#pragma unroll
                    for (int q = 0; q < SHARE; ++q) {
                        const uint i = lane + 32 * q;
                        if (w == uint(q) % W) elements[i % W * PITCH + i / W] = tail[q];
                    }
                    head = S(1);
                    factor = h.tau;
                    tau = h.tau;
                    beta = h.beta;
                    // The scaled column is there before it is multiplied; the sums before were read.
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                    multiply(x, v, totals, kb);
                }
                const S over = head == S(1) ? S(1) : inverse_head;
                S changes[Q];
#pragma unroll
                for (int q = 0; q < Q; ++q) {
                    const bool right = q > kb || (q == kb && lane > kk);
                    changes[q] = right && factor != S(0) ? factor * (head * heads[q] + totals[q]) : S(0);
                }
#pragma unroll
                for (int p = 0; p < P; ++p) {
                    // Rows above are not touched, even by an infinity.
                    if (below(p, k, kb) || w + W * p == k) {
                        const bool here = !below(p, k, kb);
                        const S element = here ? head : v[p];
#pragma unroll
                        for (int q = 0; q < Q; ++q) {
                            if (q >= kb) x[p][q] -= changes[q] * element;
                        }
                        if (lane == kk) x[p][kb] = here ? beta : v[p] * over;
                    }
                }
                if (w == 0 && lane == 0) {
                    taus[k] = tau;
                    diagonal[k] = beta;
                }
            }
        }
        // Factors and diagonal are there before they are read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    // The product of the reflections, of which x holds the vectors below its diagonal, in their place; beyond them columns of the identity.
    void form(thread S (&x)[P][Q], uint count) const {
        threadgroup S* elements = (threadgroup S*)column;
#pragma unroll
        for (int p = 0; p < P; ++p) {
#pragma unroll
            for (int q = 0; q < Q; ++q) {
                if (lane + 32 * q >= count) x[p][q] = S(w + W * p == lane + 32 * q);
            }
        }
#pragma unroll
        for (int kb = Q - 1; kb >= 0; --kb) {
            for (int kk = 31; kk >= 0; --kk) {
                const uint k = 32 * kb + kk;
                if (k >= count) continue;
                if (lane == uint(kk)) {
#pragma unroll
                    for (int p = 0; p < P; ++p) {
                        if (p / 4 >= kb * PER_BLOCK / 4) elements[w * PITCH + p] = below(p, k, kb) ? x[p][kb] : S(0);
                    }
                }
                const S tau = taus[k];
                // The vector is there before it is read; the sums before were read.
                threadgroup_barrier(mem_flags::mem_threadgroup);
                S totals[Q], v[P];
                multiply(x, v, totals, kb);
#pragma unroll
                for (int q = 0; q < Q; ++q) {
                    const bool right = q > kb || (q == kb && lane > uint(kk));
                    totals[q] = right ? tau * totals[q] : S(0);
                }
#pragma unroll
                for (int p = 0; p < P; ++p) {
                    if (below(p, k, kb) || w + W * p == k) {
                        const bool here = !below(p, k, kb);
                        const S element = here ? S(1) : v[p];
#pragma unroll
                        for (int q = 0; q < Q; ++q) {
                            if (q >= kb) x[p][q] -= totals[q] * element;
                        }
                        if (lane == uint(kk)) x[p][kb] = S(here) - tau * element;
                    } else if (lane == uint(kk)) {
                        x[p][kb] = S(0);
                    }
                }
            }
        }
    }

    // The product of the reflections, whose vectors lie below the diagonal of a matrix of up to 32 columns, with x.
    void apply(thread S (&x)[P][Q], thread const S (&vectors)[P], uint count) const {
        threadgroup S* elements = (threadgroup S*)column;
        for (int k = int(count) - 1; k >= 0; --k) {
            if (lane == uint(k)) {
#pragma unroll
                for (int p = 0; p < P; ++p) elements[w * PITCH + p] = int(w) + W * p > k ? vectors[p] : S(0);
            }
#pragma unroll
            for (int p = 0; p < PER_BLOCK; ++p) {
                if (int(w) + W * p == k) {
#pragma unroll
                    for (int q = 0; q < Q; ++q) row[lane + 32 * q] = x[p][q];
                }
            }
            const S tau = taus[k];
            // The vector and row k are there before they are read; the sums before were read.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            S heads[Q], totals[Q], v[P];
#pragma unroll
            for (int q = 0; q < Q; ++q) heads[q] = row[lane + 32 * q];
            multiply(x, v, totals, 0);
#pragma unroll
            for (int q = 0; q < Q; ++q) {
                const S change = tau * (heads[q] + totals[q]);
#pragma unroll
                for (int p = 0; p < P; ++p) x[p][q] -= change * (int(w) + W * p == k ? S(1) : v[p]);
            }
        }
    }
};
