// One element a thread: rows of `left` elements of x, each with one of `right` elements of y after it.
const uint e = thread_position_in_grid.x;
const uint row = e / (left + right), at = e % (left + right);
out[e] = at < left ? x[ulong(row) * left + at] : y[ulong(row) * right + at - left];
