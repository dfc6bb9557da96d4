// LANES threads of a SIMD group share one row of Q, each in runs of RUN columns; a group takes 4 x 256 / LANES rows.
uint t = thread_position_in_threadgroup.x;
uint lane = t % LANES;
uint side_by_side = 256 / LANES;
uint groups_per_column = (m + 4 * side_by_side - 1) / (4 * side_by_side);
uint group = threadgroup_position_in_grid.x;
uint column = group / groups_per_column % p;
ulong batch = group / groups_per_column / p;
uint first = group % groups_per_column * 4 * side_by_side + t / LANES;
uint units = k / RUN;

for (uint step = 0; step < 4; ++step) {
    uint row = first + step * side_by_side;
    Sum<A, COMPENSATED> sum;
    sum.clear();
    if (row < m) {
        const device T* from = q + (batch * m + row) * k;
        for (uint unit = lane; unit < units; unit += LANES) {
            vec<T, 4> values;
            if (RUN == 4) {
                values = *(const device vec<T, 4>*)(from + unit * 4);
            } else {
                values[0] = from[unit];
            }
            for (uint e = 0; e < RUN; ++e) {
                sum.add_product(A(values[e]), A(c[(batch * k + unit * RUN + e) * p + column]));
            }
        }
    }
    // Every thread takes part, also for rows beyond the last: a shuffle reads from all lanes.
    for (ushort distance = LANES / 2; distance > 0; distance /= 2) {
        sum.join(sum.from_lane(distance));
    }
    if (row < m && lane == 0) {
        ulong index = (batch * m + row) * p + column;
        sum.negate();
        sum.add(A(v[index]));
        out[index] = T(sum.value());
    }
}
