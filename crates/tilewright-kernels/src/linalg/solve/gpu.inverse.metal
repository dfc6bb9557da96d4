// A group of 32 W threads for a matrix of up to 32 Q rows, all of it in registers: SIMD group w holds rows w + W p, and lane j of it columns
// j + 32 q. All in the matrix's own place: elimination leaves u and, below its diagonal, the inverse of l; then u is inverted from its last row
// up, and the two inverses are multiplied from the first row down. No row moves until the end.
constexpr int P = 32 * Q / W;
constexpr int PITCH = P + 4;
threadgroup vec<S, 4> columns[2 * W * PITCH / 4];
threadgroup S pivot_rows[2 * 32 * Q];
threadgroup S diagonal[32 * Q];
threadgroup uint places[32 * Q];
threadgroup uint order[32 * Q];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const uint w = t / 32;
const uint item = threadgroup_position_in_grid.x;
const device S* from = a + ulong(item) * n * n;
device S* to = x + ulong(item) * n * n;
threadgroup vec<S, 4>* const factors = columns + W * PITCH / 4;
const Pivoting<W, Q, S> pivoting = {(threadgroup S*)columns, (threadgroup S*)factors, lane, w};

S y[P][Q];
#pragma unroll
for (int p = 0; p < P; ++p) {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        const uint i = w + W * p, j = lane + 32 * q;
        y[p][q] = i < n && j < n ? from[i * n + j] : S(0);
    }
}
uint place[Q];
#pragma unroll
for (int q = 0; q < Q; ++q) place[q] = lane + 32 * q < n ? lane + 32 * q : NOWHERE;

int failed = 0;
#pragma unroll
for (int kb = 0; kb < Q; ++kb) {
    for (uint kk = 0; kk < 32; ++kk) {
        const uint k = 32 * kb + kk;
        if (k >= n) break;
        if (lane == kk) {
#pragma unroll
            for (int p = 0; p < P; ++p) pivoting.column[w * PITCH + p] = y[p][kb];
        }
        // The column is there before it is read; factors and row of the pivot before were read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const uint r = pivoting.choose(place, k, n);
        const S pivot = pivoting.column[pivoting.at(r)];
        if (failed == 0 && pivot == S(0)) failed = int(k) + 1;
        pivoting.divide(place, k, n, pivot);
        if (r % W == w) {
            if (lane == 0) diagonal[k] = pivot;
#pragma unroll
            for (int p = 0; p < P; ++p) {
                if (w + W * p == r) {
                    // The pivot's place is that of the one in the identity from now on.
                    if (lane == kk) y[p][kb] = S(1);
#pragma unroll
                    for (int q = 0; q < Q; ++q) pivot_rows[lane + 32 * q] = y[p][q];
                }
            }
        }
        // Factors and row are there before they are used; the column was read before the next one is handed round.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        S other[Q];
#pragma unroll
        for (int q = 0; q < Q; ++q) other[q] = pivot_rows[lane + 32 * q];
#pragma unroll
        for (int c = 0; c < P / 4; ++c) {
            const vec<S, 4> mine = factors[w * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int p = 4 * c + e;
                // The same in all lanes. Rows above are not touched, even by an infinity.
                if (mine[e] != S(0)) {
                    y[p][kb] = lane == kk ? S(0) : y[p][kb];
#pragma unroll
                    for (int q = 0; q < Q; ++q) y[p][q] -= mine[e] * other[q];
                }
            }
        }
    }
}

if (w == 0) {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        places[lane + 32 * q] = place[q];
        if (place[q] < n) order[place[q]] = lane + 32 * q;
    }
}
// All places are there before they are read.
threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
for (int kb = Q - 1; kb >= 0; --kb) {
    for (int kk = 31; kk >= 0; --kk) {
        const uint k = 32 * kb + kk;
        if (k >= n) continue;
        threadgroup vec<S, 4>* vectors = columns + k % 2 * (W * PITCH / 4);
        threadgroup S* row = pivot_rows + k % 2 * (32 * Q);
        if (lane == uint(kk)) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                const bool above = places[w + W * p] < k;
                ((threadgroup S*)vectors)[w * PITCH + p] = above ? y[p][kb] : S(0);
                if (above) y[p][kb] = S(0);
            }
        }
        const uint r = order[k];
        if (r % W == w) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                if (w + W * p == r) {
#pragma unroll
                    for (int q = kb; q < Q; ++q) {
                        const uint j = lane + 32 * q;
                        // On the diagonal lies the one of the other triangle.
                        const S over = j >= k ? y[p][q] / diagonal[k] : S(0);
                        if (j > k) y[p][q] = over;
                        row[j] = over;
                    }
                }
            }
        }
        // Column and row are there before they are used; two turns ago their memory was read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        S other[Q];
#pragma unroll
        for (int q = kb; q < Q; ++q) other[q] = row[lane + 32 * q];
#pragma unroll
        for (int c = 0; c < P / 4; ++c) {
            const vec<S, 4> mine = vectors[w * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (mine[e] != S(0)) {
#pragma unroll
                    for (int q = kb; q < Q; ++q) y[4 * c + e][q] -= mine[e] * other[q];
                }
            }
        }
    }
}
// The last rows were read before their memory is written again.
threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
for (int kb = 0; kb < Q; ++kb) {
    for (uint kk = 0; kk < 32; ++kk) {
        const uint k = 32 * kb + kk;
        if (k >= n) break;
        threadgroup vec<S, 4>* vectors = columns + k % 2 * (W * PITCH / 4);
        threadgroup S* row = pivot_rows + k % 2 * (32 * Q);
        if (lane == kk) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                ((threadgroup S*)vectors)[w * PITCH + p] = places[w + W * p] < k ? y[p][kb] : S(0);
            }
        }
        const uint r = order[k];
        if (r % W == w) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                if (w + W * p == r) {
#pragma unroll
                    for (int q = 0; q < kb + 1; ++q) {
                        const uint j = lane + 32 * q;
                        row[j] = j < k ? y[p][q] : S(0);
                        if (j <= k) y[p][q] = (j < k ? y[p][q] : S(1)) / diagonal[k];
                    }
                }
            }
        }
        // Column and row are there before they are used; two turns ago their memory was read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        S other[Q];
#pragma unroll
        for (int q = 0; q < kb + 1; ++q) other[q] = row[lane + 32 * q];
#pragma unroll
        for (int c = 0; c < P / 4; ++c) {
            const vec<S, 4> mine = vectors[w * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                if (mine[e] != S(0)) {
#pragma unroll
                    for (int q = 0; q < kb + 1; ++q) y[4 * c + e][q] += mine[e] * other[q];
                }
            }
        }
    }
}
// What belongs to pivot j is the column of the identity that had its one in that pivot's row.
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = places[w + W * p];
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        const uint j = lane + 32 * q;
        if (i < n && j < n) to[i * n + order[j]] = failed != 0 ? S(NAN) : y[p][q];
    }
}
if (t == 0) info[item] = failed;
