// One element a thread; each finds what becomes of its column, and the column's first one tells it.
const uint e = thread_position_in_grid.x;
const uint column = e / n;
const S whole = size[column / k];
const S over = whole == S(0) ? S(1) : whole;
const S left = of_r[column];
const S correction = S(of_d[column]) / over * left;
const bool is_rounding = correction <= S(epsilon) * of_x[column];
const bool shrinks = correction <= last[column] / S(2);
const bool active = state[column] == 0;
// A NaN is neither.
const bool taken = active && (is_rounding || shrinks);
const bool lost = active && !taken && count[column] == 0;
x_out[e] = taken ? x[e] + S(d[e]) / over * left : lost ? S(NAN) : x[e];
if (e % n == 0) {
    last_out[column] = taken ? correction : last[column];
    state_out[column] = taken ? int(is_rounding) : active ? 2 : state[column];
    count_out[column] = count[column] + int(taken);
}
