// A group of threads makes a BM x BN tile of the output, BK terms of the sum at a time; a thread holds TM x TN of it.
// While one stage of threadgroup memory is multiplied, the next terms travel into registers and then into the other stage.
// Both operands lie there with terms as rows, padded by 4 elements, and threads read runs of 4 along m and along n.
constexpr int THREADS = (BM / TM) * (BN / TN);
constexpr int A_RUNS = BM * BK / 4 / THREADS;
constexpr int B_RUNS = BN * BK / 4 / THREADS;
constexpr int A_PITCH = BM + 4;
constexpr int B_PITCH = BN + 4;
threadgroup vec<S, 4> a_stages[2 * BK * A_PITCH / 4];
threadgroup vec<S, 4> b_stages[2 * BK * B_PITCH / 4];

// A SIMD group covers 4 x 8 threads of the tile. Neighbours of a lane, in its number's lowest two bits, share its run of a
// or its run of b, so that reads of 16 bytes a lane merge.
const int id = int(thread_index_in_threadgroup);
constexpr int SIMDS_ACROSS = BN / TN / 8;
const int ty = id / 32 / SIMDS_ACROSS * 4 + id / 2 % 4;
const int tx = id / 32 % SIMDS_ACROSS * 8 + id % 2 + id % 32 / 8 * 2;

const uint2 tile = tile_position(threadgroup_position_in_grid.x, uint(m + BM - 1) / BM, uint(n + BN - 1) / BN);
const int top = int(tile.x) * BM;
const int left = int(tile.y) * BN;
if (symmetric && left >= top + BM) return;

const int64_t a_row = a_strides[a_ndim - 2];
const int64_t a_term = a_strides[a_ndim - 1];
const int64_t b_term = b_strides[b_ndim - 2];
const int64_t b_column = b_strides[b_ndim - 1];
const bool a_by_terms = a_term == 1 || a_row != 1;
const bool b_by_terms = b_term == 1 && b_column != 1;

for (uint z = threadgroup_position_in_grid.z; z < batches * splits; z += threadgroups_per_grid.z) {
    const uint batch = z / splits;
    const int first = int(z % splits) * span;
    const int terms = min(span, k - first);

    const device T* a_from = a + batch_offset(batch, a_shape, a_strides, a_ndim - 2) + top * a_row + first * a_term;
    const device T* b_from = b + batch_offset(batch, b_shape, b_strides, b_ndim - 2) + left * b_column + first * b_term;
    const device T* a_next[A_RUNS];
    const device T* b_next[B_RUNS];
#pragma unroll
    for (int r = 0; r < A_RUNS; ++r) {
        const int2 place = run_place(id + r * THREADS, BK, BM, a_by_terms);
        a_next[r] = a_from + place.x * a_row + place.y * a_term;
    }
#pragma unroll
    for (int r = 0; r < B_RUNS; ++r) {
        const int2 place = run_place(id + r * THREADS, BK, BN, b_by_terms);
        b_next[r] = b_from + place.x * b_column + place.y * b_term;
    }
    // Widened only when they leave the registers: to widen is to wait for the load.
    T a_run[A_RUNS][4];
    T b_run[B_RUNS][4];
    S sums[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; ++i) {
#pragma unroll
        for (int j = 0; j < TN; ++j) sums[i][j] = S(0);
    }

    const int steps = (max(terms, 0) + BK - 1) / BK;
    for (int step = -1; step < steps; ++step) {
        const int rest = terms - (step + 1) * BK;
        if (rest > 0) {
#pragma unroll
            for (int r = 0; r < A_RUNS; ++r) {
                const int count = run_count(run_place(id + r * THREADS, BK, BM, a_by_terms), a_by_terms, m - top, rest);
                load_run<T, T>(a_next[r], a_by_terms ? a_term : a_row, count, a_whole, a_run[r]);
                a_next[r] += BK * a_term;
            }
#pragma unroll
            for (int r = 0; r < B_RUNS; ++r) {
                const int count = run_count(run_place(id + r * THREADS, BK, BN, b_by_terms), b_by_terms, n - left, rest);
                load_run<T, T>(b_next[r], b_by_terms ? b_term : b_column, count, b_whole, b_run[r]);
                b_next[r] += BK * b_term;
            }
        }
        if (step >= 0) {
            const threadgroup vec<S, 4>* a_stage = a_stages + (step & 1) * (BK * A_PITCH / 4) + ty;
            const threadgroup vec<S, 4>* b_stage = b_stages + (step & 1) * (BK * B_PITCH / 4) + tx;
#pragma unroll
            for (int term = 0; term < BK; ++term) {
                vec<S, 4> x[TM / 4];
                vec<S, 4> y[TN / 4];
#pragma unroll
                for (int i = 0; i < TM / 4; ++i) x[i] = a_stage[term * A_PITCH / 4 + i * (BM / TM)];
#pragma unroll
                for (int j = 0; j < TN / 4; ++j) y[j] = b_stage[term * B_PITCH / 4 + j * (BN / TN)];
#pragma unroll
                for (int i = 0; i < TM; ++i) {
#pragma unroll
                    for (int j = 0; j < TN; ++j) sums[i][j] += x[i / 4][i % 4] * y[j / 4][j % 4];
                }
            }
        }
        if (rest > 0) {
            threadgroup S* a_stage = reinterpret_cast<threadgroup S*>(a_stages) + ((step + 1) & 1) * (BK * A_PITCH);
            threadgroup S* b_stage = reinterpret_cast<threadgroup S*>(b_stages) + ((step + 1) & 1) * (BK * B_PITCH);
#pragma unroll
            for (int r = 0; r < A_RUNS; ++r) {
                const int2 place = run_place(id + r * THREADS, BK, BM, a_by_terms);
                const int at = place.y * A_PITCH + place.x;
#pragma unroll
                for (int i = 0; i < 4; ++i) a_stage[at + (a_by_terms ? i * A_PITCH : i)] = S(a_run[r][i]);
            }
#pragma unroll
            for (int r = 0; r < B_RUNS; ++r) {
                const int2 place = run_place(id + r * THREADS, BK, BN, b_by_terms);
                const int at = place.y * B_PITCH + place.x;
#pragma unroll
                for (int i = 0; i < 4; ++i) b_stage[at + (b_by_terms ? i * B_PITCH : i)] = S(b_run[r][i]);
            }
        }
        // Orders the stage just written before its reads, and the reads of the other stage before it is overwritten.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    const device C* c_from = c + batch_offset(batch, c_shape, c_strides, c_ndim - 2);
    device O* to = out + int64_t(z) * m * n;
#pragma unroll
    for (int i = 0; i < TM; ++i) {
        const int row = top + i / 4 * (4 * BM / TM) + ty * 4 + i % 4;
#pragma unroll
        for (int j = 0; j < TN; j += 4) {
            const int column = left + j / 4 * (4 * BN / TN) + tx * 4;
            if (row >= m || column >= n) continue;
            vec<O, 4> run;
#pragma unroll
            for (int t = 0; t < 4; ++t) {
                S value = alpha * sums[i][j + t];
                if (beta != 0 && column + t < n) {
                    value += beta * S(c_from[row * c_strides[c_ndim - 2] + (column + t) * c_strides[c_ndim - 1]]);
                }
                run[t] = O(value);
            }
            if (out_whole && !symmetric) {
                *reinterpret_cast<device vec<O, 4>*>(to + int64_t(row) * n + column) = run;
                continue;
            }
#pragma unroll
            for (int t = 0; t < 4; ++t) {
                if (column + t >= n || (symmetric && column + t > row)) continue;
                to[int64_t(row) * n + column + t] = run[t];
                if (symmetric) to[int64_t(column + t) * n + row] = run[t];
            }
        }
    }
}
