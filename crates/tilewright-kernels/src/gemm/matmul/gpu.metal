// A group of threads makes a BM x BN tile of the output, BK terms of the sum at a time; a thread holds TM x TN of it.
// While one stage of threadgroup memory is multiplied, the next terms travel into registers and then into the other stage.
// Both operands lie there with the terms as rows, padded by 4, so that threads read runs of 4 along m and along n.
constexpr int THREADS = (BM / TM) * (BN / TN);
constexpr int A_RUNS = BM * BK / 4 / THREADS;
constexpr int B_RUNS = BN * BK / 4 / THREADS;
constexpr int A_PITCH = BM + 4;
constexpr int B_PITCH = BN + 4;
threadgroup vec<S, 4> a_stages[2 * BK * A_PITCH / 4];
threadgroup vec<S, 4> b_stages[2 * BK * B_PITCH / 4];

// A SIMD group covers 4 x 8 threads of the tile: its reads of one stage row hit 4 and 8 distinct runs.
const int id = int(thread_index_in_threadgroup);
constexpr int SIMDS_ACROSS = BN / TN / 8;
const int ty = id / 32 / SIMDS_ACROSS * 4 + id % 32 / 8;
const int tx = id / 32 % SIMDS_ACROSS * 8 + id % 8;

const uint2 tile = tile_position(threadgroup_position_in_grid.x, uint(m + BM - 1) / BM, uint(n + BN - 1) / BN);
const int top = int(tile.x) * BM;
const int left = int(tile.y) * BN;
if (symmetric && left >= top + BM) return;

const int64_t a_row = a_strides[a_ndim - 2];
const int64_t a_term = a_strides[a_ndim - 1];
const int64_t b_term = b_strides[b_ndim - 2];
const int64_t b_column = b_strides[b_ndim - 1];
// Runs go along the axis whose elements are neighbours, so that neighbouring threads read neighbouring memory.
const bool a_by_terms = a_term == 1 || a_row != 1;
const bool b_by_terms = b_term == 1 && b_column != 1;

for (uint z = threadgroup_position_in_grid.z; z < batches * splits; z += threadgroups_per_grid.z) {
    const uint batch = z / splits;
    const int first = int(z % splits) * span;
    const int terms = min(span, k - first);
    const device T* a_from = a + batch_offset(batch, a_shape, a_strides, a_ndim) + int64_t(top) * a_row + int64_t(first) * a_term;
    const device T* b_from = b + batch_offset(batch, b_shape, b_strides, b_ndim) + int64_t(left) * b_column + int64_t(first) * b_term;

    S a_next[A_RUNS][4];
    S b_next[B_RUNS][4];
    S sums[TM][TN];
    for (int i = 0; i < TM; ++i) {
        for (int j = 0; j < TN; ++j) sums[i][j] = S(0);
    }

    const int steps = (max(terms, 0) + BK - 1) / BK;
    for (int step = -1; step < steps; ++step) {
        const int from = (step + 1) * BK;
        const bool more = step + 1 < steps;
        if (more) {
            for (int r = 0; r < A_RUNS; ++r) {
                const int run = id + r * THREADS;
                const int row = a_by_terms ? run / (BK / 4) : run % (BM / 4) * 4;
                const int term = from + (a_by_terms ? run % (BK / 4) * 4 : run / (BM / 4));
                const bool inside = a_by_terms ? top + row < m : term < terms;
                const int count = inside ? (a_by_terms ? terms - term : m - top - row) : 0;
                load_run<T, S>(a_from + row * a_row + term * a_term, a_by_terms ? a_term : a_row, count, a_whole, a_next[r]);
            }
            for (int r = 0; r < B_RUNS; ++r) {
                const int run = id + r * THREADS;
                const int column = b_by_terms ? run / (BK / 4) : run % (BN / 4) * 4;
                const int term = from + (b_by_terms ? run % (BK / 4) * 4 : run / (BN / 4));
                const bool inside = b_by_terms ? left + column < n : term < terms;
                const int count = inside ? (b_by_terms ? terms - term : n - left - column) : 0;
                load_run<T, S>(b_from + column * b_column + term * b_term, b_by_terms ? b_term : b_column, count, b_whole, b_next[r]);
            }
        }
        if (step >= 0) {
            const threadgroup vec<S, 4>* a_stage = a_stages + (step & 1) * (BK * A_PITCH / 4);
            const threadgroup vec<S, 4>* b_stage = b_stages + (step & 1) * (BK * B_PITCH / 4);
#pragma unroll
            for (int term = 0; term < BK; ++term) {
                vec<S, 4> x[TM / 4];
                vec<S, 4> y[TN / 4];
                for (int i = 0; i < TM / 4; ++i) x[i] = a_stage[(term * A_PITCH + i * (4 * BM / TM)) / 4 + ty];
                for (int j = 0; j < TN / 4; ++j) y[j] = b_stage[(term * B_PITCH + j * (4 * BN / TN)) / 4 + tx];
                for (int i = 0; i < TM; ++i) {
                    for (int j = 0; j < TN; ++j) sums[i][j] += x[i / 4][i % 4] * y[j / 4][j % 4];
                }
            }
        }
        if (more) {
            threadgroup S* a_stage = reinterpret_cast<threadgroup S*>(a_stages) + ((step + 1) & 1) * (BK * A_PITCH);
            threadgroup S* b_stage = reinterpret_cast<threadgroup S*>(b_stages) + ((step + 1) & 1) * (BK * B_PITCH);
            for (int r = 0; r < A_RUNS; ++r) {
                const int run = id + r * THREADS;
                const int at = a_by_terms ? run % (BK / 4) * 4 * A_PITCH + run / (BK / 4) : run / (BM / 4) * A_PITCH + run % (BM / 4) * 4;
                for (int i = 0; i < 4; ++i) a_stage[at + i * (a_by_terms ? A_PITCH : 1)] = a_next[r][i];
            }
            for (int r = 0; r < B_RUNS; ++r) {
                const int run = id + r * THREADS;
                const int at = b_by_terms ? run % (BK / 4) * 4 * B_PITCH + run / (BK / 4) : run / (BN / 4) * B_PITCH + run % (BN / 4) * 4;
                for (int i = 0; i < 4; ++i) b_stage[at + i * (b_by_terms ? B_PITCH : 1)] = b_next[r][i];
            }
        }
        // Orders the stage just written before its reads, and the reads of the other stage before it is overwritten.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }

    const device C* c_from = c + batch_offset(batch, c_shape, c_strides, c_ndim);
    device O* to = out + int64_t(z) * m * n;
    for (int i = 0; i < TM; ++i) {
        const int row = top + i / 4 * (4 * BM / TM) + ty * 4 + i % 4;
        if (row >= m) continue;
        for (int j = 0; j < TN; j += 4) {
            const int column = left + j / 4 * (4 * BN / TN) + tx * 4;
            vec<O, 4> run;
            for (int t = 0; t < 4; ++t) {
                S value = alpha * sums[i][j + t];
                if (beta != 0 && column + t < n) {
                    value += beta * S(c_from[row * c_strides[c_ndim - 2] + (column + t) * c_strides[c_ndim - 1]]);
                }
                run[t] = O(value);
            }
            if (out_whole && column + 4 <= n && !symmetric) {
                *reinterpret_cast<device vec<O, 4>*>(to + int64_t(row) * n + column) = run;
                continue;
            }
            for (int t = 0; t < 4; ++t) {
                if (column + t >= n || (symmetric && column + t > row)) continue;
                to[int64_t(row) * n + column + t] = run[t];
                if (symmetric) to[int64_t(column + t) * n + row] = run[t];
            }
        }
    }
}
