// An element a thread.
const uint e = thread_position_in_grid.x;
const uint row = e / n;
const S here = x[e], fold = y[row];
const S size = here < S(0) ? -here : here;
// 0 of 0, and NaN of NaN.
const S sign = here > S(0) ? S(1) : here < S(0) ? S(-1) : here;
S value = S(0);
switch (rule) {
case 0: value = S(size == fold); break;
case 2: value = sign * dy[row]; break;
case 3: value = fold == S(0) ? S(0) : here / fold * dy[row]; break;
case 4: value = size == S(0) || fold == S(0) ? S(0) : sign * pow(size / fold, S(power) + S(power_low)) * dy[row]; break;
case 5: value = size == fold ? sign * (dy[row] / ties[row]) : fold != fold ? fold : S(0); break;
}
out[e] = value;
