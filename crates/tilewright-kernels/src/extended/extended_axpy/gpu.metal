// An element a thread.
const uint e = thread_position_in_grid.x;
const Twofold a = Twofold{x[e], x_has_low ? x_low[e] : 0.0f};
const Twofold b = Twofold{y[e], y_has_low ? y_low[e] : 0.0f};
const Twofold sum = plus(times(Twofold{alpha, alpha_low}, a), b);
out[e] = sum.high;
out_low[e] = sum.low;
