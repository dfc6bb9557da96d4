const uint e = thread_position_in_grid.x;
const S divisor = size[e / each];
out[e] = L(x[e] / (divisor == S(0) ? S(1) : divisor));
