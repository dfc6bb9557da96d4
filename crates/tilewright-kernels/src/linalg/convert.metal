out[thread_position_in_grid.x] = O(x[thread_position_in_grid.x]);
