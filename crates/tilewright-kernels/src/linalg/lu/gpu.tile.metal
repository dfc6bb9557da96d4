// A group of 32 W threads for a matrix of up to 32 Q rows and columns, all of it in registers: SIMD group w holds rows w + W p, and lane j of
// it columns j + 32 q. For each pivot its column is handed round, then its row. No row moves until the end.
constexpr int P = 32 * Q / W;
constexpr int PITCH = P + 4;
// No factor is beyond 1; a factor of 0 may stand for an element that is not, below a pivot that is infinite or far larger.
constexpr S NONE = S(2);
threadgroup vec<S, 4> column[W * PITCH / 4];
threadgroup vec<S, 4> factors[W * PITCH / 4];
threadgroup S pivot_row[32 * Q];
threadgroup uint places[32 * Q];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const uint w = t / 32;
const uint item = threadgroup_position_in_grid.x;
const device S* from = a + ulong(item) * m * n;
device S* to = lu + ulong(item) * m * n;
const Pivoting<W, Q, S> pivoting = {(threadgroup S*)column, (threadgroup S*)factors, lane, w};

S x[P][Q];
#pragma unroll
for (int p = 0; p < P; ++p) {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        const uint i = w + W * p, j = lane + 32 * q;
        x[p][q] = i < m && j < n ? from[i * n + j] : S(0);
    }
}
uint place[Q];
#pragma unroll
for (int q = 0; q < Q; ++q) place[q] = lane + 32 * q < m ? lane + 32 * q : NOWHERE;

int failed = 0;
#pragma unroll
for (int kb = 0; kb < Q; ++kb) {
    for (uint kk = 0; kk < 32; ++kk) {
        const uint k = 32 * kb + kk;
        if (k >= min(m, n)) break;
        if (lane == kk) {
#pragma unroll
            for (int p = 0; p < P; ++p) pivoting.column[w * PITCH + p] = x[p][kb];
        }
        // The column is there before it is read; factors and row of the pivot before were read.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const uint r = pivoting.choose(place, k, m);
        const S pivot = pivoting.column[pivoting.at(r)];
        if (failed == 0 && pivot == S(0)) failed = int(k) + 1;
        pivoting.divide(place, k, m, pivot, NONE);
        if (r % W == w) {
#pragma unroll
            for (int p = 0; p < P; ++p) {
                if (w + W * p == r) {
#pragma unroll
                    for (int q = kb; q < Q; ++q) pivot_row[lane + 32 * q] = x[p][q];
                }
            }
        }
        // Factors and row are there before they are used; the column was read before the next one is handed round.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        S other[Q];
#pragma unroll
        for (int q = kb; q < Q; ++q) other[q] = pivot_row[lane + 32 * q];
#pragma unroll
        for (int c = 0; c < P / 4; ++c) {
            const vec<S, 4> mine = factors[w * (PITCH / 4) + c];
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int p = 4 * c + e;
                // The same in all lanes. Rows above are not touched, even by an infinity.
                if (mine[e] != NONE) {
                    x[p][kb] = lane == kk ? mine[e] : lane > kk ? x[p][kb] - mine[e] * other[kb] : x[p][kb];
#pragma unroll
                    for (int q = kb + 1; q < Q; ++q) x[p][q] -= mine[e] * other[q];
                }
            }
        }
    }
}

if (w == 0) {
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        places[lane + 32 * q] = place[q];
        if (place[q] < m) permutation[ulong(item) * m + place[q]] = int(lane + 32 * q);
    }
}
// All places are there before rows are written at them.
threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
for (int p = 0; p < P; ++p) {
    const uint i = places[w + W * p];
#pragma unroll
    for (int q = 0; q < Q; ++q) {
        const uint j = lane + 32 * q;
        if (i < m && j < n) to[i * n + j] = x[p][q];
    }
}
if (t == 0) info[item] = failed;
