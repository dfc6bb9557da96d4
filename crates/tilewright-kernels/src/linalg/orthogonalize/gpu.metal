const uint e = thread_position_in_grid.x;
const S over = size[e / elements];
out[e] = O(over == S(0) ? x[e] : x[e] / over);
