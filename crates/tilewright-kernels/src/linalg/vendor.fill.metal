// A thread an element: with `identity` 1 where row and column are the same, 0 elsewhere, NaN throughout where info says that there is no result.
const ulong index = thread_position_in_grid.x + ulong(thread_position_in_grid.y) * threads_per_grid.x;
if (index >= elements) { return; }
if (identity) {
    matrix[index] = S(index / n == index % n);
} else if (info[0] != 0) {
    matrix[index] = S(NAN);
}
