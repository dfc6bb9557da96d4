const uint item = thread_position_in_grid.x;
info[item] = factor[item] != 0 ? n + factor[item] : values[item];
