// The reverse of `stacked.metal`, of the gradients at all boundaries: the last one, which is of the state before the first chunk, then those that enter each
// chunk at its end. A group a boundary, in squares of 32.
const uint t = thread_position_in_threadgroup.x, x = t % 32, y = t / 32, rows = threads_per_threadgroup.x / 32;
const ulong place = threadgroup_position_in_grid.x, head = place / (chunks + 1);
const uint index = threadgroup_position_in_grid.x % (chunks + 1);
const ulong size = ulong(dv + 1) * dqk;
const device float* from = index == 0 ? last + head * size : states + (head * chunks + index - 1) * size;
threadgroup float square[32][33];
for (uint top = 0; top < dv; top += 32) {
    for (uint left = 0; left < dqk; left += 32) {
        for (uint row = y; row < 32; row += rows) {
            const uint b = top + row, a = left + x;
            square[row][x] = a < dqk && b < dv ? from[ulong(b) * dqk + a] : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the square is there
        for (uint row = y; row < 32; row += rows) {
            const uint b = top + x, a = left + row;
            if (a < dqk && b < dv) c_out[(place * dqk + a) * dv + b] = square[x][row];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and has been read
    }
}
for (uint a = t; a < dqk; a += threads_per_threadgroup.x) n_out[place * dqk + a] = from[ulong(dv) * dqk + a];
