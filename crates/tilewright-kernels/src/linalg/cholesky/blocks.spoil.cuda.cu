// A thread an element: NaN throughout a matrix that failed.
const size_t e = thread_position_in_grid.x + size_t(thread_position_in_grid.y) * threads_per_grid.x;
if (e < elements && info[e / (size_t(n) * n)] != 0) factor[e] = NAN;
