// Every group makes 128 elements of the output by columns, or 8 by rows, of a piece of the sum. A group is 8 SIMD groups.
//
// By rows, where a row's elements are neighbours: a SIMD group takes a row, its lanes take runs of 4 in turn.
// By columns, otherwise: a lane takes 4 rows, and the SIMD groups take the terms in turn.
threadgroup S partial[8 * 128];
const int lane = int(thread_index_in_simdgroup);
const int simd = int(simdgroup_index_in_threadgroup);
const int64_t a_row = a_strides[a_ndim - 2];
const int64_t a_term = a_strides[a_ndim - 1];
const int64_t x_term = x_strides[x_ndim - 1];

for (uint z = threadgroup_position_in_grid.z; z < batches * splits; z += threadgroups_per_grid.z) {
    const uint batch = z / splits;
    const int first = int(z % splits) * span;
    const int last = min(first + span, k);
    const device T* matrix = a + batch_offset(batch, a_shape, a_strides, a_ndim - 2);
    const device T* vector = x + batch_offset(batch, x_shape, x_strides, x_ndim - 1);
    device O* to = out + int64_t(z) * m;
    if (by_rows) {
        const int row = int(threadgroup_position_in_grid.x) * 8 + simd;
        if (row < m) {
            S sum = S(0);
            for (int term = first + lane * 4; term < last; term += 128) {
                S left[4];
                S right[4];
                load_run<T, S>(matrix + row * a_row + term * a_term, a_term, last - term, a_whole, left);
                load_run<T, S>(vector + term * x_term, x_term, last - term, x_whole, right);
                for (int i = 0; i < 4; ++i) sum += left[i] * right[i];
            }
            sum = simd_sum(sum);
            if (lane == 0) to[row] = O(sum);
        }
    } else {
        const int row = int(threadgroup_position_in_grid.x) * 128 + lane * 4;
        S sums[4];
        for (int i = 0; i < 4; ++i) sums[i] = S(0);
        for (int term = first + simd; term < last; term += 8) {
            S left[4];
            load_run<T, S>(matrix + row * a_row + term * a_term, a_row, m - row, a_whole, left);
            const S right = S(vector[term * x_term]);
            for (int i = 0; i < 4; ++i) sums[i] += left[i] * right;
        }
        for (int i = 0; i < 4; ++i) partial[simd * 128 + lane * 4 + i] = sums[i];
        // Orders the SIMD groups' sums before they are added.
        threadgroup_barrier(mem_flags::mem_threadgroup);
        const int at = simd * 32 + lane;
        const int own = int(threadgroup_position_in_grid.x) * 128 + at;
        if (at < 128 && own < m) {
            S sum = S(0);
            for (int part = 0; part < 8; ++part) sum += partial[part * 128 + at];
            to[own] = O(sum);
        }
        // Orders these reads before the next batch's sums.
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
}
