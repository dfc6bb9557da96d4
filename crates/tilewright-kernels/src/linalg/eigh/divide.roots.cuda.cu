// A warp a root of 1 + sum squares / (poles - x), which rises from each pole to the next (LAPACK's LAED4; Li's middle way), eight to a group. Between two
// poles the function is taken for one of these two, which has its value and its slopes; what leaves the root's interval is halved.
const int t = threadIdx.x, lane = t % 32, warp = t / 32;
const size_t pair = threadgroup_position_in_grid.x;
const Pair room(pair, height);
const int count = counts[2 * pair], k = int(threadgroup_position_in_grid.y) * 8 + warp;
if (k - warp >= count) return;
double* pole = (double*)memory;   // [count]
double* square = pole + room.side;  // [count]
const double weight = weights[pair];
for (int i = t; i < count; i += 256) {
    const double z = parts[room.first + i];
    pole[i] = poles[room.first + i];
    square[i] = weight * z * z;
}
// They are there.
__syncthreads();
if (k >= count) return;
const bool last = k + 1 == count;
if (count == 1) {
    if (lane == 0) {
        origins[room.first] = 0;
        offsets[room.first] = square[0];
    }
    return;
}
// The poles between which is interpolated; beyond the last one the last two.
const int p = last ? k - 1 : k;
// The sums over the poles up to p and beyond, and of the derivative.
double low_sum, high_sum, low_slope, high_slope;
auto at = [&](int origin, double x) {
    const double from = pole[origin];
    low_sum = high_sum = low_slope = high_slope = 0.0;
    for (int i = lane; i < count; i += 32) {
        const double over = 1.0 / distance_of(pole[i], from, x), term = square[i] * over;
        if (i <= p) {
            low_sum += term;
            low_slope = ::fma(term, over, low_slope);
        } else {
            high_sum += term;
            high_slope = ::fma(term, over, high_slope);
        }
    }
    low_sum = warp_sum(low_sum);
    high_sum = warp_sum(high_sum);
    low_slope = warp_sum(low_slope);
    high_slope = warp_sum(high_slope);
    return 1.0 + low_sum + high_sum;
};
double gap = last ? 0.0 : pole[k + 1] - pole[k];
if (last) {
    for (int i = lane; i < count; i += 32) gap += square[i];
    gap = warp_sum(gap);
}
double value = at(k, gap / 2.0);
// From the nearer pole, so that the root's distance to it has all its digits.
const bool upper = value < 0.0;
const int origin = !last && upper ? k + 1 : k;
double low = last ? (upper ? gap / 2.0 : 0.0) : upper ? -gap / 2.0 : 0.0;
double high = last ? (upper ? gap : gap / 2.0) : upper ? 0.0 : gap / 2.0;
// What solves the same with all poles but two taken as they are at that place.
const double first_square = square[p], second_square = square[p + 1], width = pole[p + 1] - pole[p];
const double rest = value - first_square / distance_of(pole[p], pole[k], gap / 2.0) - second_square / distance_of(pole[p + 1], pole[k], gap / 2.0);
double x;
if (origin == p) {
    const double sum = rest * width + first_square + second_square, product = first_square * width;
    const double root = ::sqrt(::fmax(sum * sum - 4.0 * product * rest, 0.0));
    x = sum > 0.0 ? 2.0 * product / (sum + root) : (sum - root) / (2.0 * rest);
} else {
    const double sum = rest * width - first_square - second_square, product = second_square * width;
    double root = ::sqrt(::fmax(sum * sum + 4.0 * product * rest, 0.0));
    if (last) root = -root;
    x = (sum < 0.0) != last ? 2.0 * product / (sum - root) : -(sum + root) / (2.0 * rest);
}
if (!(x > low && x < high)) x = (low + high) / 2.0;
const double rounding = ::fmax((sizeof(S) == 8 ? 2.220446049250313e-16 : 1.1920928955078125e-7) / 4096.0, 2.220446049250313e-16);
for (int round = 0; round < 100; ++round) {
    value = at(origin, x);
    if (value < 0.0) low = x;
    else high = x;
    const double sizes = 8.0 * (1.0 + ::fabs(low_sum) + ::fabs(high_sum)) + ::fabs(x) * (low_slope + high_slope);
    if (::fabs(value) <= rounding * sizes) break;
    const double a = distance_of(pole[p], pole[origin], x), b = distance_of(pole[p + 1], pole[origin], x);
    const double c = value - a * low_slope - b * high_slope;
    const double sum = (a + b) * value - a * b * (low_slope + high_slope), product = a * b * value;
    const double root = ::sqrt(::fmax(sum * sum - 4.0 * product * c, 0.0));
    // Of the two solutions that between the poles, or beyond them.
    const double step = last ? (sum > 0.0 ? (sum + root) / (2.0 * c) : 2.0 * product / (sum - root))
                             : (sum > 0.0 ? 2.0 * product / (sum + root) : (sum - root) / (2.0 * c));
    const double next = x + step;
    x = next > low && next < high ? next : (low + high) / 2.0;
}
if (lane == 0) {
    origins[room.first + k] = origin;
    offsets[room.first + k] = x;
}
