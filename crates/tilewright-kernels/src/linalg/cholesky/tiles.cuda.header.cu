// A factor in tiles of 32 x 32, each by columns. What has not been published yet is ABSENT, so that data are their own signal.
constexpr int SIDE = 32, PITCH = 36, CELLS = SIDE * SIDE;
constexpr unsigned ABSENT = 0x7fc00000u;

inline ::float4 peek(const float* from) {
    ::float4 x;
    asm volatile("ld.relaxed.gpu.global.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(x.x), "=f"(x.y), "=f"(x.z), "=f"(x.w) : "l"(from));
    return x;
}

inline bool is_there(::float4 x) {
    return __float_as_uint(x.x) != ABSENT && __float_as_uint(x.y) != ABSENT && __float_as_uint(x.z) != ABSENT && __float_as_uint(x.w) != ABSENT;
}

// Until all of them are there: what is not is asked for again at once, so that none waits for another's way.
template <int COUNT> inline void await(const float* const (&from)[COUNT], ::float4 (&x)[COUNT]) {
    bool all;
    do {
        all = true;
#pragma unroll
        for (int u = 0; u < COUNT; ++u) {
            if (!is_there(x[u])) {
                x[u] = peek(from[u]);
                all = false;
            }
        }
    } while (!all);
}

// NaNs that are results are of other bits than ABSENT.
inline float sent(float x) { return __float_as_uint(x) == ABSENT ? __uint_as_float(0x7fffffffu) : x; }
inline ::float4 sent(::float4 x) { return ::make_float4(sent(x.x), sent(x.y), sent(x.z), sent(x.w)); }

// Of the lower triangle, or the upper one's transpose. Rows beyond n are those of 1.
inline float element(const float* a, unsigned n, bool upper, unsigned row, unsigned column) {
    if (row >= n || column >= n) return row == column ? 1.0f : 0.0f;
    const unsigned low = row > column ? row : column, high = row > column ? column : row;
    return upper ? a[size_t(high) * n + low] : a[size_t(low) * n + high];
}

inline void give(float* to, float x) { asm volatile("st.relaxed.gpu.global.f32 [%0], %1;" ::"l"(to), "f"(sent(x))); }
inline void give(float* to, ::float4 x) {
    x = sent(x);
    asm volatile("st.relaxed.gpu.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(x.x), "f"(x.y), "f"(x.z), "f"(x.w));
}

// 128 threads have 4 rows and 2 columns each of a tile.
struct Part {
    float at[4][2];
};

inline void load(Part& part, const float* a, unsigned n, bool upper, int i, int c) {
    const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 2;
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
        for (int q = 0; q < 2; ++q) part.at[r][q] = element(a, n, upper, SIDE * i + y + r, SIDE * c + x + q);
    }
}

// part -= x yᵀ, both by columns.
template <int PX, int PY> inline void lose(Part& part, const float* x, const float* y) {
    x += threadIdx.x / 16 * 4;
    y += threadIdx.x % 16 * 2;
#pragma unroll 16
    for (int k = 0; k < SIDE; ++k) {
        const ::float4 l = *(const ::float4*)(x + k * PX);
        const ::float2 u = *(const ::float2*)(y + k * PY);
        part.at[0][0] -= l.x * u.x;
        part.at[1][0] -= l.y * u.x;
        part.at[2][0] -= l.z * u.x;
        part.at[3][0] -= l.w * u.x;
        part.at[0][1] -= l.x * u.y;
        part.at[1][1] -= l.y * u.y;
        part.at[2][1] -= l.z * u.y;
        part.at[3][1] -= l.w * u.y;
    }
}

inline ::float4 column(const Part& part, int q) { return ::make_float4(part.at[0][q], part.at[1][q], part.at[2][q], part.at[3][q]); }

inline void lay(const Part& part, float* room) {
    const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 2;
#pragma unroll
    for (int q = 0; q < 2; ++q) *(::float4*)(room + (x + q) * PITCH + y) = column(part, q);
}

inline void publish(const Part& part, float* to) {
    const int y = threadIdx.x / 16 * 4, x = threadIdx.x % 16 * 2;
#pragma unroll
    for (int q = 0; q < 2; ++q) give(to + (x + q) * SIDE + y, column(part, q));
}

// One warp, a lane a row: the rows of room times the inverse of triangleᵀ, on whose diagonal there are reciprocals; in place, and published.
inline void solve(float* room, const float* triangle, float* to) {
    const int lane = threadIdx.x % 32;
    float p[SIDE];
#pragma unroll
    for (int k = 0; k < SIDE; ++k) p[k] = room[k * PITCH + lane];
#pragma unroll
    for (int k = 0; k < SIDE; ++k) {
        p[k] *= triangle[k * PITCH + k];
#pragma unroll
        for (int q = (k + 1) / 4; q < 8; ++q) {
            const ::float4 l = *(const ::float4*)(triangle + k * PITCH + 4 * q);
            if (4 * q > k) p[4 * q] -= p[k] * l.x;
            if (4 * q + 1 > k) p[4 * q + 1] -= p[k] * l.y;
            if (4 * q + 2 > k) p[4 * q + 2] -= p[k] * l.z;
            if (4 * q + 3 > k) p[4 * q + 3] -= p[k] * l.w;
        }
        give(to + k * SIDE + lane, p[k]);
    }
    // Not before the triangle is read, as the compiler cannot know that they are apart.
#pragma unroll
    for (int k = 0; k < SIDE; ++k) room[k * PITCH + lane] = p[k];
}

// One warp, a lane a row: the factor of what is in room, which is used up, into triangle, with reciprocals on the diagonal, which itself is laid out apart.
// Blocks of 8 on the diagonal are done by every lane for itself, as no lane waits for another in them. Which pivots are not positive finite numbers is the
// answer.
inline unsigned factor_tile(float* room, float* triangle, float* diagonal, float* to) {
    const int lane = threadIdx.x % 32;
    ::float4* block = (::float4*)room;
    float a[SIDE], pivot = 0.0f, length = 0.0f;
#pragma unroll
    for (int k = 0; k < SIDE; ++k) a[k] = room[k * PITCH + lane];
#pragma unroll
    for (int o = 0; o < SIDE; o += 8) {
        // What was there before is read.
        __syncwarp();
        if (lane >= o && lane < o + 8) {
            block[2 * (lane - o)] = ::make_float4(a[o], a[o + 1], a[o + 2], a[o + 3]);
            block[2 * (lane - o) + 1] = ::make_float4(a[o + 4], a[o + 5], a[o + 6], a[o + 7]);
        }
        // The block is there.
        __syncwarp();
        float d[8][8];
#pragma unroll
        for (int i = 0; i < 8; ++i) {
#pragma unroll
            for (int h = 0; h <= i / 4; ++h) {
                const ::float4 v = block[2 * i + h];
                d[i][4 * h] = v.x;
                d[i][4 * h + 1] = v.y;
                d[i][4 * h + 2] = v.z;
                d[i][4 * h + 3] = v.w;
            }
        }
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            const float root = ::rsqrtf(d[k][k]);
#pragma unroll
            for (int i = k + 1; i < 8; ++i) {
                d[i][k] *= root;
#pragma unroll
                for (int j = k + 1; j <= i; ++j) d[i][j] -= d[i][k] * d[j][k];
            }
            const float l = a[o + k] * root;
            a[o + k] = l;
#pragma unroll
            for (int j = k + 1; j < 8; ++j) a[o + j] -= l * d[j][k];
            if (lane == o + k) {
                pivot = d[k][k];
                length = l;
            }
            const float out = lane > o + k ? l : lane == o + k ? root : 0.0f;
            triangle[(o + k) * PITCH + lane] = out;
            give(to + (o + k) * SIDE + lane, out);
        }
        // The block's columns are there.
        __syncwarp();
#pragma unroll
        for (int k = 0; k < 8; ++k) {
#pragma unroll
            for (int q = o / 4 + 2; q < 8; ++q) {
                const ::float4 v = *(const ::float4*)(triangle + (o + k) * PITCH + 4 * q);
                a[4 * q] -= a[o + k] * v.x;
                a[4 * q + 1] -= a[o + k] * v.y;
                a[4 * q + 2] -= a[o + k] * v.z;
                a[4 * q + 3] -= a[o + k] * v.w;
            }
        }
    }
    diagonal[lane] = length;
    return __ballot_sync(0xffffffffu, !(pivot > 0.0f && pivot - pivot == 0.0f));
}

// Some threads, of which this is number t: a tile into the factor, and zeros into its mirror.
inline void put(const float* room, const float* diagonal, float* factor, unsigned n, bool upper, int i, int c, int t, int threads) {
    const unsigned top = SIDE * (upper ? c : i), left = SIDE * (upper ? i : c);
    for (int e = t; e < CELLS; e += threads) {
        const unsigned y = e / SIDE, x = e % SIDE;
        float value = upper ? room[y * PITCH + x] : room[x * PITCH + y];
        if (diagonal && x == y) value = diagonal[x];
        if (top + y < n && left + x < n) factor[size_t(top + y) * n + left + x] = value;
        if (i != c && left + y < n && top + x < n) factor[size_t(left + y) * n + top + x] = 0.0f;
    }
}

inline size_t slot(int i, int c) { return (size_t(i) * (i + 1) / 2 + c) * CELLS; }

// Tile (i, c), or with COUNT = 3 the ones (i, i - 2), which is finished, and (i, i - 1) and (i, i), which lose what the first i - 1 columns of tiles contribute.
template <int COUNT>
inline void work(const float* a, unsigned n, bool upper, float* tiles, float* handed, float* factor, float* s, int i, int c) {
    constexpr int LOADS = COUNT == 1 ? 2 : 3;
    const int t = threadIdx.x;
    float* triangle = s + 2 * 3 * CELLS;
    float* room = triangle + SIDE * PITCH;
    Part parts[COUNT];
#pragma unroll
    for (int q = 0; q < COUNT; ++q) {
        if (c + q >= 0) load(parts[q], a, n, upper, i, c + q);
    }
    if (c >= 0) {
        const float* from[2 * LOADS];
        ::float4 ahead[2 * LOADS];
#pragma unroll
        for (int l = 0; l < LOADS; ++l) {
            from[2 * l] = tiles + slot(l == 0 ? i : c + l - 1, 0) + 4 * t;
            from[2 * l + 1] = from[2 * l] + 512;
        }
        if (c > 0) {
#pragma unroll
            for (int l = 0; l < 2 * LOADS; ++l) ahead[l] = peek(from[l]);
        }
        for (int k = 0; k < c; ++k) {
            float* stage = s + k % 2 * 3 * CELLS;
            await(from, ahead);
#pragma unroll
            for (int l = 0; l < 2 * LOADS; ++l) {
                ((::float4*)stage)[128 * l + t] = ahead[l];
                from[l] += CELLS;
            }
            // The tiles are there; those of the column before last were read before the last barrier.
            __syncthreads();
            if (k + 1 < c) {
#pragma unroll
                for (int l = 0; l < 2 * LOADS; ++l) ahead[l] = peek(from[l]);
            }
            lose<SIDE, SIDE>(parts[0], stage, stage + CELLS);
            if constexpr (COUNT == 3) {
                lose<SIDE, SIDE>(parts[1], stage, stage + 2 * CELLS);
                lose<SIDE, SIDE>(parts[2], stage, stage);
            }
        }
        lay(parts[0], room);
        const float* const diagonal[2] = {from[2], from[3]};
        ::float4 cells[2] = {peek(diagonal[0]), peek(diagonal[1])};
        await(diagonal, cells);
#pragma unroll
        for (int u = 0; u < 2; ++u) *(::float4*)(triangle + (t / 8 + 16 * u) * PITCH + t % 8 * 4) = cells[u];
        // Both are there.
        __syncthreads();
        if (t < 32) {
            solve(room, triangle, tiles + slot(i, c));
        } else if constexpr (COUNT == 3) {
            float* stage = s + c % 2 * 3 * CELLS;
            const float* beside[3];
            ::float4 more[3];
#pragma unroll
            for (int u = 0; u < 3; ++u) {
                beside[u] = tiles + slot(c + 1, c) + 4 * min(t - 32 + 96 * u, 255);
                more[u] = peek(beside[u]);
            }
            await(beside, more);
#pragma unroll
            for (int u = 0; u < 3; ++u) ((::float4*)stage)[min(t - 32 + 96 * u, 255)] = more[u];
        }
        // The tile is finished.
        __syncthreads();
        if constexpr (COUNT == 3) {
            lose<PITCH, SIDE>(parts[1], room, s + c % 2 * 3 * CELLS);
        }
    }
    if constexpr (COUNT == 3) {
        publish(parts[1], handed + 2 * i * CELLS);
        if (c >= 0) lose<PITCH, PITCH>(parts[2], room, room);
        publish(parts[2], handed + (2 * i + 1) * CELLS);
    }
    if (c >= 0) put(room, nullptr, factor, n, upper, i, c, t, 128);
}

// What every other tile waits for: each one on the diagonal, and the one below it.
inline int chain(const float* a, unsigned n, bool upper, float* tiles, float* handed, float* factor, float* s, int count) {
    const int t = threadIdx.x;
    __shared__ float diagonal[2][SIDE];
    float* room = s + 4 * SIDE * PITCH;
    float* next = room + SIDE * PITCH;
    int failed = 0;
    Part part;
    load(part, a, n, upper, 0, 0);
    lay(part, room);
    for (int j = 0; j < count; ++j) {
        float* triangle = s + j % 2 * SIDE * PITCH;
        float* below = s + (2 + j % 2) * SIDE * PITCH;
        // The tile on the diagonal is there.
        __syncthreads();
        if (t < 32) {
            const unsigned bad = factor_tile(room, triangle, diagonal[j % 2], tiles + slot(j, j));
            if (bad && failed == 0) failed = j * SIDE + __ffs(bad);
        } else {
            const float* from[6];
            ::float4 cells[6];
#pragma unroll
            for (int u = 0; u < 6; ++u) {
                from[u] = handed + 2 * min(j + 1, count - 1) * CELLS + 4 * min(t - 32 + 96 * u, 511);
                cells[u] = peek(from[u]);
            }
            if (j > 0) {
                put(s + (1 - j % 2) * SIDE * PITCH, diagonal[1 - j % 2], factor, n, upper, j - 1, j - 1, t - 32, 96);
                put(s + (3 - j % 2) * SIDE * PITCH, nullptr, factor, n, upper, j, j - 1, t - 32, 96);
            }
            if (j + 1 < count) {
                await(from, cells);
#pragma unroll
                for (int u = 0; u < 6; ++u) {
                    const int e = min(t - 32 + 96 * u, 511);
                    *(::float4*)((e < 256 ? below : next) + e % 256 / 8 * PITCH + e % 8 * 4) = cells[u];
                }
            }
        }
        // The factor is there, and what it is to be applied to.
        __syncthreads();
        if (j + 1 == count) break;
        if (t >= 32 && t < 64) solve(below, triangle, tiles + slot(j + 1, j));
        const int y = t / 16 * 4, x = t % 16 * 2;
#pragma unroll
        for (int q = 0; q < 2; ++q) {
            const ::float4 v = *(const ::float4*)(next + (x + q) * PITCH + y);
            part.at[0][q] = v.x;
            part.at[1][q] = v.y;
            part.at[2][q] = v.z;
            part.at[3][q] = v.w;
        }
        // The tile below is finished.
        __syncthreads();
        lose<PITCH, PITCH>(part, below, below);
        lay(part, room);
    }
    const int last = count - 1;
    put(s + last % 2 * SIDE * PITCH, diagonal[last % 2], factor, n, upper, last, last, t, 128);
    return failed;
}
