// A thread an element of the matrices that `index` names; columns beyond theirs are zeros.
const size_t e = thread_position_in_grid.x + size_t(thread_position_in_grid.y) * threads_per_grid.x;
if (e >= elements) return;
const size_t row = e / pitch, column = e % pitch;
out[e] = column < columns ? from[(size_t(index[row / rows]) * rows + row % rows) * columns + column] : 0;
