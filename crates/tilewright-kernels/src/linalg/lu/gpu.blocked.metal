// A group of 256 threads a matrix, in panels of NB columns. A thread holds R rows of the panel in registers; rows change their places, not
// their threads, until the panel is written back. Then the columns to the left and right exchange their rows in the same way, those on the
// right lose what the panel's triangle contributes, and the rest its product, in tiles of 64 x 64.
constexpr uint THREADS = 256;
constexpr uint TILE = 64;
threadgroup S claim_sizes[THREADS / 32];
threadgroup uint claim_places[THREADS / 32];
threadgroup S pivot_row[NB];
threadgroup uint exchanged[NB];
threadgroup S triangle[NB][NB];
threadgroup S left_part[TILE][NB + 1];
threadgroup S upper_part[NB][TILE];
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const device S* from = a + ulong(item) * m * n;
device S* to = lu + ulong(item) * m * n;
device int* order = permutation + ulong(item) * m;
int failed = 0;

for (uint e = t; e < m * n; e += THREADS) to[e] = from[e];
for (uint i = t; i < m; i += THREADS) order[i] = int(i);
// The copy is complete before other threads read it.
threadgroup_barrier(mem_flags::mem_device);

for (uint k = 0; k < min(m, n); k += NB) {
    const uint width = min(uint(NB), n - k);
    const uint pivots = min(width, m - k);
    S row[R][NB];
    uint place[R];
#pragma unroll
    for (int r = 0; r < R; ++r) {
        // Rows that are done stand before k, rows that are none at m.
        place[r] = min(k + t + r * THREADS, m);
#pragma unroll
        for (int c = 0; c < NB; ++c) row[r][c] = place[r] < m && uint(c) < width ? to[place[r] * n + k + c] : S(0);
    }
#pragma unroll
    for (int c = 0; c < NB; ++c) {
        if (uint(c) < pivots) {
            const uint here = k + c;
            // A NaN makes no claim; where there is nothing else, the row that stands there is taken.
            Claim<S> claim = {S(-1), here};
#pragma unroll
            for (int r = 0; r < R; ++r) {
                const S size = row[r][c] < S(0) ? -row[r][c] : row[r][c];
                if (place[r] >= here && place[r] < m && size >= S(0)) claim = stronger(claim, Claim<S>{size, place[r]});
            }
#pragma unroll
            for (ushort distance = 16; distance > 0; distance /= 2) {
                const Claim<S> other = {simd_shuffle_xor(claim.size, distance), simd_shuffle_xor(claim.place, distance)};
                claim = stronger(claim, other);
            }
            if (t % 32 == 0) {
                claim_sizes[t / 32] = claim.size;
                claim_places[t / 32] = claim.place;
            }
            // All claims are there before any is read; the last pivot's row was read before it changes.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            claim = Claim<S>{S(-1), here};
            for (uint g = 0; g < THREADS / 32; ++g) claim = stronger(claim, Claim<S>{claim_sizes[g], claim_places[g]});
#pragma unroll
            for (int r = 0; r < R; ++r) {
                const bool chosen = place[r] == claim.place;
                if (chosen) {
#pragma unroll
                    for (int j = 0; j < NB; ++j) pivot_row[j] = row[r][j];
                }
                place[r] = chosen ? here : place[r] == here ? claim.place : place[r];
            }
            if (t == 0) exchanged[c] = claim.place;
            // The pivot's row is there before it is subtracted, and the claims were read before they change.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            const S pivot = pivot_row[c];
            if (failed == 0 && pivot == S(0)) failed = int(here) + 1;
#pragma unroll
            for (int r = 0; r < R; ++r) {
                if (place[r] > here && place[r] < m) {
                    // Below a zero pivot there are only zeros.
                    const S factor = pivot == S(0) ? S(0) : row[r][c] / pivot;
                    row[r][c] = factor;
#pragma unroll
                    for (int j = c + 1; j < NB; ++j) row[r][j] -= factor * pivot_row[j];
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < R; ++r) {
        if (place[r] < m) {
#pragma unroll
            for (int c = 0; c < NB; ++c) {
                if (uint(c) < width) to[place[r] * n + k + c] = row[r][c];
                if (place[r] < k + NB) triangle[place[r] - k][c] = row[r][c];
            }
        }
    }
    if (t == 0) {
        for (uint c = 0; c < pivots; ++c) {
            const int other = order[exchanged[c]];
            order[exchanged[c]] = order[k + c];
            order[k + c] = other;
        }
    }
    // The triangle is there before columns are solved with it.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint j = t; j < n - width; j += THREADS) {
        const bool right = j >= k;
        device S* column = to + (right ? j + width : j);
        for (uint c = 0; c < pivots; ++c) {
            const S other = column[exchanged[c] * n];
            column[exchanged[c] * n] = column[(k + c) * n];
            column[(k + c) * n] = other;
        }
        if (right) {
            S x[NB];
#pragma unroll
            for (int c = 0; c < NB; ++c) x[c] = uint(c) < pivots ? column[(k + c) * n] : S(0);
#pragma unroll
            for (int c = 0; c < NB; ++c) {
#pragma unroll
                for (int q = c + 1; q < NB; ++q) {
                    if (uint(q) < pivots) x[q] -= triangle[q][c] * x[c];
                }
            }
#pragma unroll
            for (int c = 0; c < NB; ++c) {
                if (uint(c) < pivots) column[(k + c) * n] = x[c];
            }
        }
    }
    // Panel and rows are written before their product is formed; the triangle was read before the next one.
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    for (uint top = k + pivots; top < m; top += TILE) {
        for (uint left = k + width; left < n; left += TILE) {
            for (uint e = t; e < TILE * NB; e += THREADS) {
                const uint i = e / NB, c = e % NB;
                left_part[i][c] = top + i < m && c < pivots ? to[(top + i) * n + k + c] : S(0);
                const uint q = e / TILE, j = e % TILE;
                upper_part[q][j] = left + j < n && q < pivots ? to[(k + q) * n + left + j] : S(0);
            }
            // Both parts are there before they are multiplied.
            threadgroup_barrier(mem_flags::mem_threadgroup);
            S sums[4][4] = {};
            const uint y = t / 16, x = t % 16;
#pragma unroll
            for (int c = 0; c < NB; ++c) {
#pragma unroll
                for (int p = 0; p < 4; ++p) {
#pragma unroll
                    for (int q = 0; q < 4; ++q) sums[p][q] += left_part[y + 16 * p][c] * upper_part[c][x + 16 * q];
                }
            }
#pragma unroll
            for (int p = 0; p < 4; ++p) {
#pragma unroll
                for (int q = 0; q < 4; ++q) {
                    const uint i = top + y + 16 * p, j = left + x + 16 * q;
                    if (i < m && j < n) to[i * n + j] -= sums[p][q];
                }
            }
            // The parts were read before the next tile's; the last differences are there for the next panel.
            threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
        }
    }
}
if (t == 0) info[item] = failed;
