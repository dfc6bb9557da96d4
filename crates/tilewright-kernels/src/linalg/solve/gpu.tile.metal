// A group of 32 W threads for a system of up to 32 Q rows, all of it in registers: SIMD group w holds rows w + W p, and lane j of it columns
// j + 32 q of the matrix and right-hand side j. They are eliminated together; then the rows are solved from the last one up, each handed
// round with the column that it is subtracted by. No row moves.
constexpr int P = 32 * Q / W;
constexpr int PITCH = P + 4;
threadgroup vec<S, 4> columns[2 * W * PITCH / 4];
threadgroup S pivot_rows[2 * 32 * (Q + 1)];
threadgroup uint places[32 * Q];
threadgroup uint order[32 * Q];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const uint w = t / 32;
const uint item = threadgroup_position_in_grid.x;
const device S* from = a + ulong(item) * n * n;
threadgroup vec<S, 4>* const factors = columns + W * PITCH / 4;
threadgroup S* const pivot_row = pivot_rows;
const Pivoting<W, Q, S> pivoting = {(threadgroup S*)columns, (threadgroup S*)factors, lane, w};

S y[P][Q + 1];
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = w + W * p;
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        const uint j = lane + 32 * q;
        y[p][q] = i < n && j < n ? from[i * n + j] : S(0);
    }
    y[p][Q] = i < n && lane < k ? b[(ulong(item) * n + i) * k + lane] : S(0);
}
uint place[Q];
#pragma unroll
for (int q = 0; q < Q; ++q) place[q] = lane + 32 * q < n ? lane + 32 * q : NOWHERE;

int failed = 0;
#pragma unroll
for (int kb = 0; kb < Q; ++kb) {
    for (uint kk = 0; kk < 32; ++kk) {
        const uint step = 32 * kb + kk;
        if (step >= n) break;
        if (lane == kk) {
#pragma unroll
            for (int p = 0; p < P; ++p) pivoting.column[w * PITCH + p] = y[p][kb];
        }
        // The column is there before it is read; factors and row of the pivot before were read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const uint r = pivoting.choose(place, step, n);
        const S pivot = pivoting.column[pivoting.at(r)];
        if (failed == 0 && pivot == S(0)) failed = int(step) + 1;
        pivoting.divide(place, step, n, pivot);
        if (r % W == w) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                if (w + W * p == r) {
#pragma unroll
                    for (int q = kb; q < Q + 1; ++q) pivot_row[lane + 32 * q] = y[p][q];
                }
            }
        }
        // Factors and row are there before they are used; the column was read before the next one is handed round.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        S other[Q + 1];
#pragma unroll
        for (int q = kb; q < Q + 1; ++q) other[q] = pivot_row[lane + 32 * q];
#pragma unroll
        for (int c = 0; c < P / 4; ++c) {
            const vec<S, 4> mine = factors[w * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                // The same in all lanes. Rows above are not touched, even by an infinity.
                if (mine[e] != S(0)) {
#pragma unroll
                    for (int q = kb; q < Q + 1; ++q) y[4 * c + e][q] -= mine[e] * other[q];
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
        const uint step = 32 * kb + kk;
        if (step >= n) continue;
        threadgroup vec<S, 4>* vectors = columns + step % 2 * (W * PITCH / 4);
        threadgroup S* row = pivot_rows + step % 2 * (32 * (Q + 1));
        if (lane == uint(kk)) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                ((threadgroup S*)vectors)[w * PITCH + p] = places[w + W * p] < step ? y[p][kb] : S(0);
            }
        }
        const uint r = order[step];
        if (r % W == w) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                if (w + W * p == r) {
                    y[p][Q] /= simd_broadcast(y[p][kb], ushort(kk));
                    row[lane] = y[p][Q];
                }
            }
        }
        // Column and row are there before they are used; two turns ago their memory was read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const S solved = row[lane];
#pragma unroll
        for (int c = 0; c < P / 4; ++c) {
            const vec<S, 4> mine = vectors[w * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) y[4 * c + e][Q] -= mine[e] != S(0) ? mine[e] * solved : S(0);
        }
    }
}
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = places[w + W * p];
    if (i < n && lane < k) x[(ulong(item) * n + i) * k + lane] = failed != 0 ? S(NAN) : y[p][Q];
}
if (t == 0) info[item] = failed;
