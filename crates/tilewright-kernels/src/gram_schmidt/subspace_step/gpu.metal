// One element of a band to its place among all columns.
ulong row = thread_position_in_grid.y;
uint column = thread_position_in_grid.x;
out[row * k + start + column] = part[row * width + column];
