// 0: x / y, 1: y / x, 2: x y.
const uint item = thread_position_in_grid.x;
const S a = x[item], b = y[item];
if (how == 0) out[item] = b == S(0) ? S(INFINITY) : a / b;
else if (how == 1) out[item] = b == S(0) ? S(0) : b / a;
else out[item] = info[item] != 0 && a == a ? S(INFINITY) : a * b;
