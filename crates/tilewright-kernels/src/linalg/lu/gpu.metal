// A SIMD group a matrix: lane i holds row i of it, and `place` says where that row stands by now. No row moves until the end.
const uint item = thread_position_in_grid.x / 32;
const uint lane = thread_index_in_simdgroup;
if (item >= items) return;
const device S* from = a + ulong(item) * m * n + lane * n;
S row[N];
#pragma unroll
for (int j = 0; j < N; ++j) row[j] = lane < m && uint(j) < n ? from[j] : S(0);

const uint NOWHERE = 64;
uint place = lane < m ? lane : NOWHERE;
int failed = 0;
#pragma unroll
for (int k = 0; k < N; ++k) {
    if (uint(k) < min(m, n)) {
        // The largest of the rows that are left; of equal ones the first. Where all are NaN, the row that stands there.
        const S size = row[k] < S(0) ? -row[k] : row[k];
        S best = place != NOWHERE && place >= uint(k) && size >= S(0) ? size : S(-1);
#pragma unroll
        for (ushort distance = 16; distance > 0; distance /= 2) {
            const S other = simd_shuffle_xor(best, distance);
            best = other > best ? other : best;
        }
        const bool leads = place != NOWHERE && place >= uint(k) && (size == best || (best < S(0) && place == uint(k)));
        const uint chosen = simd_min(leads ? place : NOWHERE);
        const ushort holder = ushort(simd_min(place == chosen ? lane : 32u));
        place = place == chosen ? uint(k) : place == uint(k) ? chosen : place;
        const S pivot = simd_shuffle(row[k], holder);
        if (failed == 0 && pivot == S(0)) failed = k + 1;
        const bool below = place > uint(k) && place != NOWHERE;
        // Below a zero pivot there are only zeros.
        const S factor = pivot == S(0) ? S(0) : row[k] / pivot;
        row[k] = below ? factor : row[k];
#pragma unroll
        for (int j = k + 1; j < N; ++j) {
            const S other = simd_shuffle(row[j], holder);
            row[j] = below ? row[j] - factor * other : row[j];
        }
    }
}
if (lane < m) {
    device S* to = lu + ulong(item) * m * n + place * n;
#pragma unroll
    for (int j = 0; j < N; ++j) {
        if (uint(j) < n) to[j] = row[j];
    }
    permutation[ulong(item) * m + place] = int(lane);
}
if (lane == 0) info[item] = failed;
