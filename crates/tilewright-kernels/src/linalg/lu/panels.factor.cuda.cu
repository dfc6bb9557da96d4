// A group a matrix: a panel of 32 columns from (k, k) on. A thread holds R of its rows in registers; rows change their places, not their threads, until the
// panel is written back. Columns are taken in turns of 8: within a turn rows lose only what it contributes to the turn itself, so that a column is a short
// chain, and what is right of the turn follows at once. Each warp lays its strongest row out for all, so that one barrier a column is enough.
__shared__ __align__(16) Claim told[2 * 32];
__shared__ ::float4 upper[8][6], triangle[8][2];
const int t = threadIdx.x, lane = t % 32, warp = t / 32;
float* stage = (float*)memory + warp * 32 * PITCH;
const size_t item = threadgroup_position_in_grid.x;
float* to = lu + item * m * n;
int* order = permutation + item * m;
int* moved = moves + item * 64;
const int width = min(32, int(n - k)), pivots = min(width, int(m - k));
const bool wide = width == 32 && n % 4 == 0 && size_t(lu) % 16 == 0;
float now[R][8], rest[R][24];
int place[R], origin[R];
#pragma unroll
for (int r = 0; r < R; ++r) {
    // Rows that are done stand before k, rows that are none at m.
    place[r] = min(int(k) + 32 * (R * warp + r) + lane, int(m));
    origin[r] = k == 0 || place[r] >= int(m) ? place[r] : order[place[r]];
}
int failed = k == 0 || t != 0 ? 0 : info[item];
if (t < 32) told[t].key = told[32 + t].key = 0;
#pragma unroll
for (int r = 0; r < R; ++r) {
    const int top = int(k) + 32 * (R * warp + r);
    // 32 rows are on their way at once: 16 bytes a lane where rows allow it.
    if (wide) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const int from = top + 4 * i + lane / 8;
            const unsigned room = unsigned(__cvta_generic_to_shared(stage + (4 * i + lane / 8) * PITCH + lane % 8 * 4));
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(room), "l"(to + size_t(min(from, int(m) - 1)) * n + k + lane % 8 * 4), "r"(from < int(m) ? 16 : 0) : "memory");
        }
    } else {
#pragma unroll 8
        for (int i = 0; i < 32; ++i) {
            const bool is = top + i < int(m) && lane < width;
            const unsigned room = unsigned(__cvta_generic_to_shared(stage + i * PITCH + lane));
            asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(room), "l"(is ? to + size_t(top + i) * n + k + lane : to), "r"(is ? 4 : 0) : "memory");
        }
    }
    asm volatile("cp.async.wait_all;" ::: "memory");
    // They are there.
    __syncwarp();
    const ::float4* mine = (const ::float4*)(stage + lane * PITCH);
#pragma unroll
    for (int q = 0; q < 8; ++q) {
        const ::float4 x = mine[q];
        float* at = q < 2 ? now[r] + 4 * q : rest[r] + 4 * (q - 2);
        at[0] = x.x;
        at[1] = x.y;
        at[2] = x.z;
        at[3] = x.w;
    }
    // Read before the next ones come.
    __syncwarp();
}
// No key is there yet.
__syncthreads();
const unsigned before = (1u << lane) - 1;
// Addresses that are computed once: a compiler that may, asks for them anew in each column.
unsigned own = unsigned(__cvta_generic_to_shared(told)) + (31 - warp) * sizeof(Claim), all = unsigned(__cvta_generic_to_shared(told));
int left = pivots, rows = m;
asm volatile("" : "+r"(own), "+r"(all), "+r"(left), "+r"(rows));
#pragma unroll 1
for (int turn = 0; turn < 4; ++turn, left -= 8) {
    const int first = k + 8 * turn;
#pragma unroll
    for (int q0 = 0; q0 < 8; ++q0) {
        if (q0 < left) {
            const int here = first + q0;
            const unsigned side = q0 % 2 * 32 * unsigned(sizeof(Claim));
            // 0 makes no claim, and a NaN less of one than a zero: where there is nothing else, such a row is taken.
            unsigned key = 0;
            int mine = here;
            float x[8];
#pragma unroll
            for (int r = 0; r < R; ++r) {
                const unsigned size = __float_as_uint(now[r][q0]) & 0x7fffffffu;
                const unsigned claim = place[r] < here || place[r] >= rows ? 0u : size <= 0x7f800000u ? size + 2u : 1u;
                const bool more = claim > key;
                if (more) mine = place[r];
#pragma unroll
                for (int q = q0 & ~3; q < 8; ++q) x[q] = r == 0 || more ? now[r][q] : x[q];
                if (more) key = claim;
            }
            // One over it, rounded rightly wherever it is used.
            float over;
            asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(over) : "f"(x[q0]));
            over = ::fmaf(over, -::fmaf(x[q0], over, -1.0f), over);
            const unsigned best = __reduce_max_sync(0xffffffffu, key);
            const unsigned equal = __ballot_sync(0xffffffffu, key == best);
            const int wins = key == best && (equal & before) == 0;
            // Without a branch, as the other lanes have nothing to do.
            if (q0 < 4) give_if(wins, own + side, x[0], x[1], x[2], x[3]);
            give_if(wins, own + side + 16, x[4], x[5], x[6], x[7]);
            give_if(wins, own + side + 32, over, __int_as_float(mine), __uint_as_float(best), 0.0f);
            // All claims are there before any is read; those of the column before last were read before the last barrier.
            __syncthreads();
            const unsigned claim = __float_as_uint(number_at(all + side + lane * unsigned(sizeof(Claim)) + 40));
            const unsigned most = __reduce_max_sync(0xffffffffu, claim);
            // The last of equal ones is easier to find, and the first warp's lies last.
            const unsigned from = all + side + (31 - __clz(__ballot_sync(0xffffffffu, claim == most))) * unsigned(sizeof(Claim));
            const ::float4 known = quad_at(from + 32), low = q0 < 4 ? quad_at(from) : ::float4{}, high = quad_at(from + 16);
            const int taken = __float_as_int(known.y);
            x[0] = low.x;
            x[1] = low.y;
            x[2] = low.z;
            x[3] = low.w;
            x[4] = high.x;
            x[5] = high.y;
            x[6] = high.z;
            x[7] = high.w;
            const float pivot = x[q0];
            if (failed == 0 && pivot == 0.0f) failed = here + 1;
            // A product with the reciprocal, corrected, is the quotient as long as none of them leaves the range of numbers.
            const float size = ::fabsf(pivot);
            const bool plain = size > 1e-30f && size < 1e30f;
#pragma unroll
            for (int r = 0; r < R; ++r) {
                place[r] = place[r] == taken ? here : place[r] == here ? taken : place[r];
                if (place[r] > here && place[r] < rows) {
                    float factor = now[r][q0] * known.x;
                    factor = ::fmaf(known.x, ::fmaf(-factor, pivot, now[r][q0]), factor);
                    // Below a zero pivot there are only zeros.
                    if (!plain) factor = pivot == 0.0f ? 0.0f : now[r][q0] / pivot;
                    now[r][q0] = factor;
#pragma unroll
                    for (int q = q0 + 1; q < 8; ++q) now[r][q] -= factor * x[q];
                }
            }
        }
    }
    if (turn < 3 && left > 0) {
#pragma unroll
        for (int r = 0; r < R; ++r) {
            const int p = place[r] - first;
            if (p >= 0 && p < 8) {
                triangle[p][0] = ::make_float4(now[r][0], now[r][1], now[r][2], now[r][3]);
                triangle[p][1] = ::make_float4(now[r][4], now[r][5], now[r][6], now[r][7]);
#pragma unroll
                for (int q = 0; q < 6; ++q) upper[p][q] = ::make_float4(rest[r][4 * q], rest[r][4 * q + 1], rest[r][4 * q + 2], rest[r][4 * q + 3]);
            }
        }
        // The turn's pivot rows are there.
        __syncthreads();
        if (t < 24 - 8 * turn) {
            float u[8];
#pragma unroll
            for (int p = 0; p < 8; ++p) u[p] = ((const float*)upper[p])[t];
#pragma unroll
            for (int p = 1; p < 8; ++p) {
#pragma unroll
                for (int q = 0; q < p; ++q) u[p] -= ((const float*)triangle[p])[q] * u[q];
            }
#pragma unroll
            for (int p = 1; p < 8; ++p) ((float*)upper[p])[t] = u[p];
        }
        // They have lost what the turn contributes.
        __syncthreads();
#pragma unroll
        for (int r = 0; r < R; ++r) {
            const int p = place[r] - first;
            if (p >= 8 && place[r] < int(m)) {
#pragma unroll
                for (int g = 0; g < 3; ++g) {
                    if (g < 3 - turn) {
#pragma unroll
                        for (int c = 0; c < 8; ++c) {
#pragma unroll
                            for (int q = 2 * g; q < 2 * g + 2; ++q) {
                                const ::float4 u = upper[c][q];
                                rest[r][4 * q] -= now[r][c] * u.x;
                                rest[r][4 * q + 1] -= now[r][c] * u.y;
                                rest[r][4 * q + 2] -= now[r][c] * u.z;
                                rest[r][4 * q + 3] -= now[r][c] * u.w;
                            }
                        }
                    }
                }
            } else if (p >= 0 && p < 8) {
#pragma unroll
                for (int q = 0; q < 6; ++q) {
                    const ::float4 u = upper[p][q];
                    rest[r][4 * q] = u.x;
                    rest[r][4 * q + 1] = u.y;
                    rest[r][4 * q + 2] = u.z;
                    rest[r][4 * q + 3] = u.w;
                }
            }
        }
    }
    // What is finished goes behind the rest, and is back in its place after the last turn.
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
        for (int q = 0; q < 8; ++q) {
            const float x = now[r][q];
            now[r][q] = rest[r][q];
            rest[r][q] = rest[r][8 + q];
            rest[r][8 + q] = rest[r][16 + q];
            rest[r][16 + q] = x;
        }
    }
}
// The panel was read before other threads write it.
__syncthreads();
#pragma unroll
for (int r = 0; r < R; ++r) {
    ::float4* mine = (::float4*)(stage + lane * PITCH);
#pragma unroll
    for (int q = 0; q < 8; ++q) {
        const float* at = q < 2 ? now[r] + 4 * q : rest[r] + 4 * (q - 2);
        mine[q] = ::make_float4(at[0], at[1], at[2], at[3]);
    }
    // They are there.
    __syncwarp();
    if (wide) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const int at = __shfl_sync(0xffffffffu, place[r], 4 * i + lane / 8);
            if (at < int(m)) *(::float4*)(to + size_t(at) * n + k + lane % 8 * 4) = *(const ::float4*)(stage + (4 * i + lane / 8) * PITCH + lane % 8 * 4);
        }
    } else {
#pragma unroll 8
        for (int i = 0; i < 32; ++i) {
            const int at = __shfl_sync(0xffffffffu, place[r], i);
            if (at < int(m) && lane < width) to[size_t(at) * n + k + lane] = stage[i * PITCH + lane];
        }
    }
    // Read before the next ones are written.
    __syncwarp();
    const int start = int(k) + 32 * (R * warp + r) + lane;
    if (place[r] < int(m)) {
        order[place[r]] = origin[r];
        // Which row comes to each place at the top, and where each row that stood there goes to, if not there.
        if (place[r] < int(k) + 32) moved[place[r] - k] = start;
        if (start < int(k) + 32) moved[32 + start - k] = place[r] < int(k) + 32 ? -1 : place[r];
    }
}
if (t == 0) info[item] = failed;
