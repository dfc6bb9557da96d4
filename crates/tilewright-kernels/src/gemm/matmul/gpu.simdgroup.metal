// A group of four SIMD groups makes a 64 x 64 tile of the output, 16 terms of the sum at a time; a SIMD group holds 32 x 32 of it
// as 4 x 4 matrices of 8 x 8. Operands stay in their own dtype, sums are in float.
constexpr int EDGE = 64;
constexpr int DEPTH = 16;
constexpr int THREADS = 128;
// Padded by 4 elements, so that the rows of a matrix do not all start in one bank.
constexpr int A_PITCH = DEPTH + 4;
constexpr int B_PITCH = EDGE + 4;
threadgroup T a_tile[EDGE * A_PITCH];
threadgroup T b_tile[DEPTH * B_PITCH];
threadgroup float out_tile[EDGE * B_PITCH];

const int id = int(thread_index_in_threadgroup);
const int down = int(simdgroup_index_in_threadgroup) / 2 * 32;
const int right = int(simdgroup_index_in_threadgroup) % 2 * 32;
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
    const device T* a_from = a + batch_offset(batch, a_shape, a_strides, a_ndim - 2) + top * a_row + first * a_term;
    const device T* b_from = b + batch_offset(batch, b_shape, b_strides, b_ndim - 2) + left * b_column + first * b_term;

    simdgroup_matrix<float, 8, 8> sums[4][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    }
    for (int from = 0; from < terms; from += DEPTH) {
        // Orders the reads of the last step before the tiles are overwritten.
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int r = 0; r < EDGE * DEPTH / 4 / THREADS; ++r) {
            T run[4];
            int2 place = run_place(id + r * THREADS, DEPTH, EDGE, a_by_terms);
            int count = run_count(place, a_by_terms, m - top, terms - from);
            const device T* a_run = a_from + place.x * a_row + (from + place.y) * a_term;
            load_run<T, T>(a_run, a_by_terms ? a_term : a_row, count, a_whole, run);
            int at = place.x * A_PITCH + place.y;
#pragma unroll
            for (int i = 0; i < 4; ++i) a_tile[at + (a_by_terms ? i : i * A_PITCH)] = run[i];

            place = run_place(id + r * THREADS, DEPTH, EDGE, b_by_terms);
            count = run_count(place, b_by_terms, n - left, terms - from);
            const device T* b_run = b_from + place.x * b_column + (from + place.y) * b_term;
            load_run<T, T>(b_run, b_by_terms ? b_term : b_column, count, b_whole, run);
            at = place.y * B_PITCH + place.x;
#pragma unroll
            for (int i = 0; i < 4; ++i) b_tile[at + (b_by_terms ? i * B_PITCH : i)] = run[i];
        }
        // Orders the tiles' writes before their reads.
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int term = 0; term < DEPTH; term += 8) {
            simdgroup_matrix<T, 8, 8> x[4];
            simdgroup_matrix<T, 8, 8> y[4];
#pragma unroll
            for (int i = 0; i < 4; ++i) simdgroup_load(x[i], a_tile + (down + 8 * i) * A_PITCH + term, A_PITCH);
#pragma unroll
            for (int j = 0; j < 4; ++j) simdgroup_load(y[j], b_tile + term * B_PITCH + right + 8 * j, B_PITCH);
#pragma unroll
            for (int i = 0; i < 4; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) simdgroup_multiply_accumulate(sums[i][j], x[i], y[j], sums[i][j]);
            }
        }
    }

#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            simdgroup_store(sums[i][j], out_tile + (down + 8 * i) * B_PITCH + right + 8 * j, B_PITCH);
        }
    }
    // Orders the sums' writes before other SIMD groups' threads read them.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const device C* c_from = c + batch_offset(batch, c_shape, c_strides, c_ndim - 2);
    device O* to = out + int64_t(z) * m * n;
    for (int at = id; at < EDGE * EDGE; at += THREADS) {
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
