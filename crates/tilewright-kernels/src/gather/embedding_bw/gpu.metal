// A group for each row of the table and 1024 of its columns. It looks through the ids 1024 at a time: each SIMD group notes which of its 32 ids are
// this row's, then all threads add those places, in their order, to the columns that they have.
const uint id = threadgroup_position_in_grid.x, thread_index = thread_position_in_threadgroup.x;
const uint first = threadgroup_position_in_grid.y * 1024 + thread_index;
threadgroup uint hits[2][32];
float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
uint turn = 0;
for (uint start = 0; start < places; start += 1024, turn ^= 1) {
    for (uint part = 0; part < 4; ++part) {
        const uint place = start + part * 256 + thread_index;
        const bool hit = place < places && ids[place] == long(id);
        const uint votes = uint((ulong)simd_ballot(hit));
        if (thread_index % 32 == 0) hits[turn][part * 8 + thread_index / 32] = votes;
    }
    // All notes of this turn are there; those of the next go elsewhere, and whoever writes over these has passed the barrier after that.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint word = 0; word < 32; ++word) {
        for (uint votes = hits[turn][word]; votes != 0; votes &= votes - 1) {
            const size_t row = size_t(start + word * 32 + ctz(votes)) * d;
            for (uint part = 0; part < 4; ++part) {
                const uint column = first + part * 256;
                if (column < d) sums[part] += float(dy[row + column]);
            }
        }
    }
}
for (uint part = 0; part < 4; ++part) {
    const uint column = first + part * 256;
    if (column < d) out[size_t(id) * d + column] = T(sums[part]);
}
