// A thread for each row. A target beyond the row has no loss, and must not be read.
const uint row = thread_position_in_grid.x;
if (row >= rows) return;
const long wanted = target_of[row];
const float largest = maxima[row];
if (wanted < 0) {
    loss[row] = 0.0f;
} else if (wanted >= long(n) || isinf(largest)) {
    loss[row] = NAN;
} else {
    loss[row] = (largest - float(x[size_t(row) * n + size_t(wanted)])) + precise::log(sums[row]);
}
