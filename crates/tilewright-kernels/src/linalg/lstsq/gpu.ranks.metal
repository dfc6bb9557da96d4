const uint item = thread_position_in_grid.x;
out[item] = info[item] == 0 ? n : info[item] - 1;
