// C by columns, and n as one row more: [.., dv + 1, dqk] of [.., dqk, dv] and [.., dqk]. A group a matrix, in squares of 32.
const uint t = thread_position_in_threadgroup.x, x = t % 32, y = t / 32, rows = threads_per_threadgroup.x / 32;
const ulong place = threadgroup_position_in_grid.x;
threadgroup float square[32][33];
for (uint top = 0; top < dqk; top += 32) {
    for (uint left = 0; left < dv; left += 32) {
        for (uint row = y; row < 32; row += rows) {
            const uint a = top + row, b = left + x;
            square[row][x] = a < dqk && b < dv ? c[(place * dqk + a) * dv + b] : 0.0f;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // the square is there
        for (uint row = y; row < 32; row += rows) {
            const uint a = top + x, b = left + row;
            if (a < dqk && b < dv) out[(place * (dv + 1) + b) * dqk + a] = square[x][row];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);  // and has been read
    }
}
for (uint a = t; a < dqk; a += threads_per_threadgroup.x) out[(place * (dv + 1) + dv) * dqk + a] = n[place * dqk + a];
