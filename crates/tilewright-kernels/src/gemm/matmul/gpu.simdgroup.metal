// A group of four SIMD groups makes a 64 x 64 tile of the output, 16 terms of the sum at a time; a SIMD group holds 32 x 32 of it
// as 4 x 4 matrices of 8 x 8. Operands stay in their own dtype, sums are in float.
constexpr int EDGE = 64;
constexpr int DEPTH = 16;
// Rows are padded by 16 bytes' worth of elements at most, so that matrices' rows do not start in one bank.
constexpr int A_PITCH = DEPTH + 4;
constexpr int B_PITCH = EDGE + 4;
threadgroup T a_tile[EDGE * A_PITCH];
threadgroup T b_tile[DEPTH * B_PITCH];
threadgroup float out_tile[EDGE * B_PITCH];

const int id = int(thread_index_in_threadgroup);
const int simd = int(simdgroup_index_in_threadgroup);
const int down = simd / 2 * 32;
const int right = simd % 2 * 32;
const uint2 tile = tile_position(threadgroup_position_in_grid.x, uint(m + EDGE - 1) / EDGE, uint(n + EDGE - 1) / EDGE);
const int top = int(tile.x) * EDGE;
const int left = int(tile.y) * EDGE;
if (symmetric && left >= top + EDGE) return;

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
    const device T* a_from = a + batch_offset(batch, a_shape, a_strides, a_ndim) + int64_t(top) * a_row + int64_t(first) * a_term;
    const device T* b_from = b + batch_offset(batch, b_shape, b_strides, b_ndim) + int64_t(left) * b_column + int64_t(first) * b_term;

    simdgroup_matrix<float, 8, 8> sums[4][4];
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
    for (int from = 0; from < terms; from += DEPTH) {
        // Orders the reads of the last step before the tiles are overwritten.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (int run = id; run < EDGE * DEPTH / 4; run += 128) {
            T next[4];
            const int row = a_by_terms ? run / (DEPTH / 4) : run % (EDGE / 4) * 4;
            const int a_at = a_by_terms ? run % (DEPTH / 4) * 4 : run / (EDGE / 4);
            const bool a_inside = a_by_terms ? top + row < m : from + a_at < terms;
            const int a_count = a_inside ? (a_by_terms ? terms - from - a_at : m - top - row) : 0;
            load_run<T, T>(a_from + row * a_row + (from + a_at) * a_term, a_by_terms ? a_term : a_row, a_count, a_whole, next);
            for (int i = 0; i < 4; ++i) {
                a_tile[(row + (a_by_terms ? 0 : i)) * A_PITCH + a_at + (a_by_terms ? i : 0)] = next[i];
            }
            const int column = b_by_terms ? run / (DEPTH / 4) : run % (EDGE / 4) * 4;
            const int b_at = b_by_terms ? run % (DEPTH / 4) * 4 : run / (EDGE / 4);
            const bool b_inside = b_by_terms ? left + column < n : from + b_at < terms;
            const int b_count = b_inside ? (b_by_terms ? terms - from - b_at : n - left - column) : 0;
            load_run<T, T>(b_from + column * b_column + (from + b_at) * b_term, b_by_terms ? b_term : b_column, b_count, b_whole, next);
            for (int i = 0; i < 4; ++i) {
                b_tile[(b_at + (b_by_terms ? i : 0)) * B_PITCH + column + (b_by_terms ? 0 : i)] = next[i];
            }
        }
        // Orders the tiles' writes before their reads.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (int term = 0; term < DEPTH; term += 8) {
            simdgroup_matrix<T, 8, 8> x[4];
            simdgroup_matrix<T, 8, 8> y[4];
            for (int i = 0; i < 4; ++i) simdgroup_load(x[i], a_tile + (down + 8 * i) * A_PITCH + term, A_PITCH);
            for (int j = 0; j < 4; ++j) simdgroup_load(y[j], b_tile + term * B_PITCH + right + 8 * j, B_PITCH);
            for (int i = 0; i < 4; ++i) {
                for (int j = 0; j < 4; ++j) simdgroup_multiply_accumulate(sums[i][j], x[i], y[j], sums[i][j]);
            }
        }
    }

    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            simdgroup_store(sums[i][j], out_tile + (down + 8 * i) * B_PITCH + right + 8 * j, B_PITCH);
        }
    }
    // Orders the sums' writes before other SIMD groups' threads read them.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const device C* c_from = c + batch_offset(batch, c_shape, c_strides, c_ndim);
    device O* to = out + int64_t(z) * m * n;
    for (int at = id; at < EDGE * EDGE; at += 128) {
        const int row = top + at / EDGE;
        const int column = left + at % EDGE;
        if (row >= m || column >= n || (symmetric && column > row)) continue;
        float value = alpha * out_tile[at / EDGE * B_PITCH + at % EDGE];
        if (beta != 0) value += beta * float(c_from[row * c_strides[c_ndim - 2] + column * c_strides[c_ndim - 1]]);
        to[int64_t(row) * n + column] = O(value);
        if (symmetric) to[int64_t(column) * n + row] = O(value);
    }
    // Orders these reads before the next batch's sums.
    threadgroup_barrier(mem_flags::mem_threadgroup);
}
