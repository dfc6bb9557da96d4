// An element a thread.
const uint e = thread_position_in_grid.x;
const Twofold<S> a = Twofold<S>{x[e], x_has_low ? x_low[e] : S(0)};
const Twofold<S> b = Twofold<S>{y[e], y_has_low ? y_low[e] : S(0)};
const Twofold<S> sum = plus(times(Twofold<S>{alpha[0], alpha[1]}, a), b);
out[e] = sum.high;
out_low[e] = sum.low;
