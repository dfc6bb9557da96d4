// A thread an element of the matrices that `index` names; with `upper` those below the diagonal are zeros.
const size_t e = thread_position_in_grid.x + size_t(thread_position_in_grid.y) * threads_per_grid.x;
if (e >= elements) return;
const size_t item = e / (size_t(rows) * columns), i = e / columns % rows, j = e % columns;
to[(size_t(index[item]) * rows + i) * columns + j] = upper && i > j ? 0 : from[item * step + i * pitch + j];
