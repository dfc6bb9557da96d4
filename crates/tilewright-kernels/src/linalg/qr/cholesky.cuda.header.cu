// f64 on the matrix units: sums += a b, 16 x 8 of it, over 8 terms. A lane of group g = lane / 4 and number t = lane % 4 has of a (g, t), (g + 8, t),
// (g, t + 4), (g + 8, t + 4), of b (t, g), (t + 4, g), and of the sums (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1).
inline void multiply(double (&c)[4], double a0, double a1, double a2, double a3, double b0, double b1) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
                 : "d"(a0), "d"(a1), "d"(a2), "d"(a3), "d"(b0), "d"(b1));
}

// Warps of a group that multiplies, warps of one that gathers, and the sides of a block.
constexpr int WARPS = 4, GATHERERS = 16, BLOCK = 32, ELEMENTS = BLOCK * BLOCK;

// Four neighbours of a row of a matrix of m rows and n columns, zeros beyond it; `wide`: rows begin at multiples of 16 bytes.
inline ::float4 four(const float* a, unsigned m, unsigned n, unsigned row, unsigned column, bool wide) {
    ::float4 x = ::make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (row >= m || column >= n) return x;
    const float* from = a + size_t(row) * n + column;
    if (wide) return *(const ::float4*)from;
    x.x = from[0];
    if (column + 1 < n) x.y = from[1];
    if (column + 2 < n) x.z = from[2];
    if (column + 3 < n) x.w = from[3];
    return x;
}

inline float element(const ::float4& x, int e) { return e == 0 ? x.x : e == 1 ? x.y : e == 2 ? x.z : x.w; }

// The number of blocks at or above the diagonal before block row i, of `blocks` block rows.
inline unsigned before(unsigned i, unsigned blocks) { return i * blocks - i * (i - 1) / 2; }

// One group's part of aT a: SIDE x SIDE blocks, from block (high, low) on, over rows first .. last. Each warp has one block, and every PHASES-th eight rows.
// Block (i, j), i <= j, goes to its place in `parts`. A lane's four columns of a block are neighbours, so that it reads them at once: what the units
// take for column e * 8 + g of a block is column 4 g + e.
template <int SIDE>
inline void gram_part(const float* a, unsigned n, bool wide, unsigned first, unsigned last, unsigned high, unsigned low, double* parts, double* shared) {
    constexpr int PHASES = WARPS / (SIDE * SIDE), STEPS = 4 / SIDE;
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
    const unsigned phase = warp / (SIDE * SIDE), seat = warp % (SIDE * SIDE);
    const unsigned blocks = (n + BLOCK - 1) / BLOCK;
    const unsigned i = high + seat / SIDE, j = low + seat % SIDE;
    const bool there = i <= j && j < blocks, diagonal = i == j;
    double sums[2][4][4] = {};
    if (there) {
        for (unsigned row = first + 8 * phase; row < last; row += 8 * PHASES * STEPS) {
            ::float4 x[STEPS][2], y[STEPS][2];
#pragma unroll
            for (int s = 0; s < STEPS; ++s) {
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const unsigned r = row + 8 * PHASES * s + 4 * half + t;
                    x[s][half] = four(a, last, n, r, BLOCK * i + 4 * g, wide);
                    if (SIDE > 1) y[s][half] = diagonal ? x[s][half] : four(a, last, n, r, BLOCK * j + 4 * g, wide);
                }
            }
#pragma unroll
            for (int s = 0; s < STEPS; ++s) {
                double left[2][4], right[2][4];
#pragma unroll
                for (int half = 0; half < 2; ++half) {
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        left[half][e] = element(x[s][half], e);
                        if (SIDE > 1) right[half][e] = element(y[s][half], e);
                    }
                }
#pragma unroll
                for (int p = 0; p < 2; ++p) {
#pragma unroll
                    for (int q = 0; q < 4; ++q) {
                        // Below a diagonal block's diagonal is what is above it.
                        if (SIDE == 1 && q < 2 * p) continue;
                        const double b0 = SIDE > 1 ? right[0][q] : left[0][q], b1 = SIDE > 1 ? right[1][q] : left[1][q];
                        multiply(sums[p][q], left[0][2 * p], left[0][2 * p + 1], left[1][2 * p], left[1][2 * p + 1], b0, b1);
                    }
                }
            }
        }
    }
    double* own = shared + seat * ELEMENTS;
    for (unsigned turn = 0; turn < PHASES; ++turn) {
        if (phase == turn && there) {
#pragma unroll
            for (int p = 0; p < 2; ++p) {
#pragma unroll
                for (int q = 0; q < 4; ++q) {
                    if (SIDE == 1 && q < 2 * p) continue;
#pragma unroll
                    for (int e = 0; e < 4; ++e) {
                        const unsigned r = 4 * g + 2 * p + e / 2, c = 4 * (2 * t + e % 2) + q;
                        const double sum = turn == 0 ? sums[p][q][e] : own[r * BLOCK + c] + sums[p][q][e];
                        own[r * BLOCK + c] = sum;
                        if (SIDE == 1 && p == 0 && q >= 2) own[c * BLOCK + r] = sum;
                    }
                }
            }
        }
        // A phase's sums are there before the next adds its own.
        __syncthreads();
    }
    if (there) {
        double* to = parts + size_t(before(i, blocks) + j - i) * ELEMENTS;
        for (unsigned e = phase * 32 + lane; e < ELEMENTS; e += 32 * PHASES) to[e] = own[e];
    }
}

// The sum of `count` parts, `pitch` apart, of 32 elements a group: its warps share the parts.
inline double gathered(const double* parts, size_t pitch, unsigned count, double* shared) {
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    double sum = 0.0;
#pragma unroll 12
    for (unsigned part = warp; part < count; part += GATHERERS) sum += parts[part * pitch + lane];
    shared[warp * 32 + lane] = sum;
    // All are there before they are added.
    __syncthreads();
    sum = 0.0;
#pragma unroll
    for (int w = 0; w < GATHERERS; ++w) sum += shared[w * 32 + lane];
    return sum;
}

// Rows of a block in shared memory, so far apart that a warp's operands are in different banks.
constexpr int PITCH = 36;

// What is decided of a matrix.
enum State : int { NOISY = 1, DONE = 2 };

// Beside columns of length 1: the least square of what a column has of its own, and what is added where one has less.
constexpr double LEAST = 0x1p-44, SHIFT = 0x1p-44;

// The inverse of a root, to rounding, of a number that is no subnormal one.
inline double inverse_root(double x) {
    double near;
    asm("rsqrt.approx.ftz.f64 %0, %1;" : "=d"(near) : "d"(x));
    const double off = ::fma(-x * near, near, 1.0);
    return ::fma(near * off, ::fma(0.375, off, 0.5), near);
}

// The triangle of a 32 x 32 block, rT r = s, by one warp whose lane has a column in s, and the inverse of rT, into `inverse`; r goes to
// the column `at`, in rows of `pitch`. Whether all squares on the diagonal were `least` or more, or no numbers.
inline bool factor_block(double (&s)[BLOCK], double* inverse, double least, double* at, unsigned pitch) {
    const unsigned lane = threadIdx.x % 32;
    // The lane's element on the diagonal: all wait for one after the other, and so for as little as can be.
    double diagonal = 0.0;
#pragma unroll
    for (int k = 0; k < BLOCK; ++k) diagonal = int(lane) == k ? s[k] : diagonal;
    double x[BLOCK];
    bool good = true;
#pragma unroll
    for (int k = 0; k < BLOCK; ++k) {
        // An infinity must not become a zero.
        const double own = diagonal - diagonal == 0.0 ? inverse_root(diagonal) : diagonal - diagonal;
        if (int(lane) == k) good = !(diagonal < least);
        const double over = __shfl_sync(0xffffffffu, own, k);
        s[k] = int(lane) < k ? 0.0 : s[k] * over;
        diagonal = ::fma(-s[k], s[k], diagonal);
        inverse[k * PITCH + lane] = int(lane) == k ? over : s[k];
        if (k + 1 < BLOCK) s[k + 1] -= __shfl_sync(0xffffffffu, s[k], (k + 1) % BLOCK) * s[k];
        // The row is there before it is read.
        __syncwarp();
#pragma unroll
        for (int i = k + 2; i < BLOCK; ++i) s[i] -= inverse[k * PITCH + i] * s[k];
    }
    good = __all_sync(0xffffffffu, good);
    // Registers are wanted for the inverse.
#pragma unroll
    for (int k = 0; k < BLOCK; ++k) at[size_t(k) * pitch] = s[k];
    // x, the lane's column of the inverse of rT, row by row; `inverse` holds r, and on its diagonal what is divided by.
#pragma unroll
    for (int k = 0; k < BLOCK; ++k) x[k] = int(lane) == k ? 1.0 : 0.0;
#pragma unroll
    for (int k = 0; k < BLOCK; ++k) {
        x[k] *= inverse[k * PITCH + k];
#pragma unroll
        for (int i = k + 1; i < BLOCK; ++i) x[i] -= inverse[k * PITCH + i] * x[k];
    }
    // r was read by all before the inverse takes its place.
    __syncwarp();
#pragma unroll
    for (int k = 0; k < BLOCK; ++k) inverse[k * PITCH + lane] = x[k];
    return good;
}

// c -= aT b, or c = a b with PRODUCT, for blocks of 32 x 32 by one warp; a and b in shared memory, or b in rows of `b_pitch`.
template <bool PRODUCT> inline void block_product(double (&c)[2][4][4], const double* a, const double* b, unsigned b_pitch) {
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int k = 0; k < BLOCK; k += 8) {
        double left[2][4], right[4][2];
#pragma unroll
        for (int p = 0; p < 2; ++p) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const unsigned r = 16 * p + g + e % 2 * 8, l = k + t + e / 2 * 4;
                left[p][e] = PRODUCT ? a[r * PITCH + l] : -a[l * PITCH + r];
            }
        }
#pragma unroll
        for (int q = 0; q < 4; ++q) {
            right[q][0] = b[(k + t) * b_pitch + 8 * q + g];
            right[q][1] = b[(k + t + 4) * b_pitch + 8 * q + g];
        }
#pragma unroll
        for (int p = 0; p < 2; ++p) {
#pragma unroll
            for (int q = 0; q < 4; ++q) multiply(c[p][q], left[p][0], left[p][1], left[p][2], left[p][3], right[q][0], right[q][1]);
        }
    }
}

// Calls f(row, column, pair of values) for a lane's values of a block.
template <typename F> inline void each_value(double (&c)[2][4][4], F f) {
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int p = 0; p < 2; ++p) {
#pragma unroll
        for (int q = 0; q < 4; ++q) {
            f(16 * p + g, 8 * q + 2 * t, c[p][q][0], c[p][q][1]);
            f(16 * p + g + 8, 8 * q + 2 * t, c[p][q][2], c[p][q][3]);
        }
    }
}

// Of a matrix whose columns have length 1, by one group: s, `blocks` x `blocks` blocks in rows of `pitch`, becomes r above the diagonal, x the inverse
// of rT on and below it. `panel` has room for blocks + 1 blocks. Whether all that r has on its diagonal is large enough, and in `squares` the thread's
// part of the sum of the inverse's squares.
inline bool factor(double* s, double* x, unsigned blocks, unsigned pitch, double* panel, bool stops, double& squares) {
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    double* inverse = panel + blocks * BLOCK * PITCH;
    bool good = true;
    for (unsigned k = 0; k < blocks; ++k) {
        if (warp == 0) {
            double column[BLOCK];
            double* at = s + size_t(BLOCK) * k * pitch + BLOCK * k + lane;
#pragma unroll
            for (int i = 0; i < BLOCK; ++i) column[i] = at[size_t(i) * pitch];
            good = factor_block(column, inverse, LEAST, at, pitch) && good;
            double* to = x + size_t(BLOCK) * k * pitch + BLOCK * k + lane;
            double* seat = panel + k * BLOCK * PITCH + lane;
#pragma unroll
            for (int i = 0; i < BLOCK; ++i) {
                to[size_t(i) * pitch] = inverse[i * PITCH + lane];
                seat[i * PITCH] = inverse[i * PITCH + lane];
                squares += inverse[i * PITCH + lane] * inverse[i * PITCH + lane];
            }
        }
        // The block and its inverse are there before rows are multiplied by it.
        if (__syncthreads_or(stops && !good)) return false;
        for (unsigned block = warp; block < blocks; block += warps) {
            if (block == k) continue;
            double* from = (block > k ? s : x) + size_t(BLOCK) * k * pitch + BLOCK * block;
            double* seat = panel + block * BLOCK * PITCH;
            // All of it is under way before the first of it is waited for.
            ::double2 read[BLOCK / 2];
#pragma unroll
            for (int i = 0; i < BLOCK / 2; ++i) read[i] = *(::double2*)(from + size_t(2 * i + lane / 16) * pitch + lane % 16 * 2);
#pragma unroll
            for (int i = 0; i < BLOCK / 2; ++i) *(::double2*)(seat + (2 * i + lane / 16) * PITCH + lane % 16 * 2) = read[i];
            // The block is there before it is multiplied.
            __syncwarp();
            double c[2][4][4] = {};
            block_product<true>(c, inverse, seat, PITCH);
            // All lanes have read the block before it changes.
            __syncwarp();
            each_value(c, [&](unsigned r, unsigned column, double v, double w) {
                *(::double2*)(from + size_t(r) * pitch + column) = ::make_double2(v, w);
                *(::double2*)(seat + r * PITCH + column) = ::make_double2(v, w);
                if (block < k) squares += v * v + w * w;
            });
        }
        // The block row is there before it is taken off those below.
        __syncthreads();
        // Of block row i those of s from i on, those of x up to k: one after the other they are given to the warps.
        unsigned turn = 0;
        for (unsigned i = k + 1; i < blocks; ++i) {
            for (unsigned j = 0; j < blocks; ++j) {
                if (j > k && j < i) continue;
                if (turn++ % warps != warp) continue;
                double* at = (j > k ? s : x) + size_t(BLOCK) * i * pitch + BLOCK * j;
                double c[2][4][4];
#pragma unroll
                for (int p = 0; p < 2; ++p) {
#pragma unroll
                    for (int q = 0; q < 4; ++q) {
#pragma unroll
                        for (int e = 0; e < 4; e += 2) {
                            const ::double2 v = *(::double2*)(at + size_t(16 * p + lane / 4 + e * 4) * pitch + 8 * q + 2 * (lane % 4));
                            c[p][q][e] = v.x;
                            c[p][q][e + 1] = v.y;
                        }
                    }
                }
                block_product<false>(c, panel + i * BLOCK * PITCH, panel + j * BLOCK * PITCH, PITCH);
                each_value(c, [&](unsigned r, unsigned column, double v, double w) { *(::double2*)(at + size_t(r) * pitch + column) = ::make_double2(v, w); });
            }
        }
        // They are there before the next block is read.
        __syncthreads();
    }
    return good;
}

// The sum of all threads' values; `shared` has room for as many as there are warps.
inline double group_sum(double value, double* shared) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
    // What was there was read before it changes.
    __syncthreads();
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    // All are there before they are added.
    __syncthreads();
    double sum = 0.0;
    for (unsigned w = 0; w < blockDim.x / 32; ++w) sum += shared[w];
    return sum;
}

// One group for one matrix of n columns, whose aT a is `gram`, pitch x pitch: lengths of columns, and of what is left of them when these are divided by,
// `s` and `x` of `factor`. The second attempt is that of a matrix whose columns depend on others; the first one tells whether it is wanted, as all groups have
// the time of one. What of a q of the first time is not orthogonal enough is decomposed a second time, and there is nothing to decide any more.
inline void triangle(const double* gram, unsigned n, unsigned pitch, bool second, unsigned attempt, double* s, double* x, double* sizes, int* state,
                     double* memory) {
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32, blocks = pitch / BLOCK;
    double* over = memory;
    double* shared = over + pitch;
    double* panel = shared + BLOCK;
    for (unsigned k = threadIdx.x; k < pitch; k += blockDim.x) {
        const double square = k < n ? gram[size_t(k) * pitch + k] : 1.0;
        // A column of zeros is left as it is.
        if (attempt == 0) sizes[k] = square == 0.0 ? 1.0 : sqrt(square);
        over[k] = square == 0.0 ? 1.0 : 1.0 / sqrt(square);
    }
    // The lengths are there before they are divided by.
    __syncthreads();
    // Four rows a warp at once, two columns of 64 a lane; all of it is under way before the first of it is waited for.
    for (unsigned top = warp; top < pitch; top += 4 * warps) {
        ::double2 read[4][4];
#pragma unroll
        for (int r = 0; r < 4; ++r) {
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                const unsigned i = top + r * warps, j = 64 * c + 2 * lane;
                const bool above = i < pitch && j < pitch && i / BLOCK <= j / BLOCK;
                read[r][c] = above ? *(const ::double2*)(gram + size_t(i) * pitch + j) : ::make_double2(0.0, 0.0);
            }
        }
#pragma unroll
        for (int r = 0; r < 4; ++r) {
#pragma unroll
            for (int c = 0; c < 4; ++c) {
                const unsigned i = top + r * warps, j = 64 * c + 2 * lane;
                if (i >= pitch || j >= pitch) continue;
                const double own = i >= n ? 1.0 : attempt == 1 ? SHIFT : 0.0;
                ::double2 v = read[r][c];
                // Beyond n columns the products are zeros.
                v.x = v.x * over[i] * over[j] + (i == j ? own : 0.0);
                v.y = v.y * over[i] * over[j + 1] + (i == j + 1 ? own : 0.0);
                const bool above = i / BLOCK <= j / BLOCK;
                *(::double2*)((above ? s : x) + size_t(i) * pitch + j) = above ? v : ::make_double2(0.0, 0.0);
            }
        }
    }
    // The matrix is there before it is taken apart.
    __syncthreads();
    double squares = 0.0;
    const bool good = factor(s, x, blocks, pitch, panel, !second && attempt == 0, squares);
    if (second || attempt == 1) return;
    // Beyond n columns there is an identity.
    squares = group_sum(squares, shared) - double(pitch - n);
    const bool bad = group_sum(good ? 0.0 : 1.0, shared) > 0.0 || squares > 0x1p42;
    // What roundings make of the sums, times the square of the condition, against a rounding of f32.
    if (threadIdx.x == 0) *state = bad ? NOISY : squares * sqrt(double(n)) <= 0x1p22 ? DONE : 0;
}

// A number in -1 .. 1 for an element.
inline double noise(unsigned row, unsigned column) {
    unsigned x = row * 0x9e3779b9u ^ (column + 1) * 0x85ebca6bu;
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    x ^= x >> 16;
    return double(int(x)) * 0x1p-31;
}

// 16 ROWS rows of a w a warp, from `row` on, and 32 columns from 32 c on; w is upper triangular, in rows of `pitch`.
template <int ROWS>
inline void product(const float* a, unsigned m, unsigned n, bool wide, unsigned row, unsigned c, const double* w, unsigned pitch, const double* sizes,
                    bool noisy, float* q) {
    const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    // Of SHIFT's root, over all rows; the square of a number in -1 .. 1 is a third.
    const double amplitude = sqrt(3.0 * SHIFT / m);
    double sums[ROWS][4][4] = {};
    for (unsigned l = 0; l < min(n, BLOCK * (c + 1)); l += 16) {
        ::float4 x[ROWS][2];
#pragma unroll
        for (int p = 0; p < ROWS; ++p) {
#pragma unroll
            for (int half = 0; half < 2; ++half) x[p][half] = four(a, m, n, row + 16 * p + g + 8 * half, l + 4 * t, wide);
        }
#pragma unroll
        for (int u = 0; u < 4; u += 2) {
            double right[4][2];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
#pragma unroll
                for (int e = 0; e < 2; ++e) right[j][e] = w[size_t(l + 4 * t + u + e) * pitch + BLOCK * c + 8 * j + g];
            }
#pragma unroll
            for (int p = 0; p < ROWS; ++p) {
                double left[4];
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    left[e] = element(x[p][e % 2], u + e / 2);
                    if (noisy) {
                        const unsigned column = l + 4 * t + u + e / 2;
                        if (column < n) left[e] += amplitude * sizes[column] * noise(row + 16 * p + g + 8 * (e % 2), column);
                    }
                }
#pragma unroll
                for (int j = 0; j < 4; ++j) multiply(sums[p][j], left[0], left[1], left[2], left[3], right[j][0], right[j][1]);
            }
        }
    }
#pragma unroll
    for (int p = 0; p < ROWS; ++p) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const unsigned i = row + 16 * p + g + 8 * half, column = BLOCK * c + 8 * j + 2 * t;
                if (i >= m || column >= n) continue;
                float* to = q + size_t(i) * n + column;
                const float v = float(sums[p][j][2 * half]), z = float(sums[p][j][2 * half + 1]);
                if (n % 2 == 0) {
                    *(::float2*)to = ::make_float2(v, z);
                } else {
                    to[0] = v;
                    if (column + 1 < n) to[1] = z;
                }
            }
        }
    }
}
