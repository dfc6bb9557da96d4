const uint e = thread_position_in_grid.x;
const S over = size[e / elements];
// The difference of an infinity or NaN with itself is NaN.
out[e] = x[e] / (over == S(0) ? S(1) : over) + (S(by) * noise[e % elements] + (over - over));
