// What h was divided by, without eps, of each token of [heads, s].
const ulong place = ulong(thread_position_in_grid.y) * s + thread_position_in_grid.x;
const float small = exp(-m[place]);
out[place] = normalize ? max(fabs(z[place]), small) : small;
