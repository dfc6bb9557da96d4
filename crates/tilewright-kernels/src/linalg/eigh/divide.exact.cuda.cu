// A warp a column of a pair, eight to a group: the z of which the roots are exactly those (Gu and Eisenstat), and the place of the column's value among all.
const int t = threadIdx.x, lane = t % 32, warp = t / 32;
const size_t pair = threadgroup_position_in_grid.x;
const Pair room(pair, height);
const int side = room.side, count = counts[2 * pair], i = int(threadgroup_position_in_grid.y) * 8 + warp;
double* pole = (double*)memory;  // [side]; beyond `count` the values that stay
double* from = pole + side;      // [count]
double* offset = from + side;    // [count]
for (int q = t; q < side; q += 256) {
    pole[q] = poles[room.first + q];
    if (q < count) {
        from[q] = poles[room.first + origins[room.first + q]];
        offset[q] = offsets[room.first + q];
    }
}
// They are there.
__syncthreads();
if (i >= side) return;
if (i < count) {
    const double mine = pole[i];
    double product = 1.0;
    for (int k = lane; k < count; k += 32) {
        const double distance = distance_of(mine, from[k], offset[k]);
        product *= k == i ? distance : distance / (mine - pole[k]);
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2) product *= __shfl_xor_sync(ALL, product, step);
    if (lane == 0) exact[room.first + i] = ::copysign(::sqrt(::fabs(product)), parts[room.first + i]);
}
const double value = i < count ? from[i] + offset[i] : pole[i];
int place = 0;
for (int k = lane; k < side; k += 32) {
    const double other = k < count ? from[k] + offset[k] : pole[k];
    place += other < value || (other == value && k < i) ? 1 : 0;
}
place = int(__reduce_add_sync(ALL, unsigned(place)));
if (lane == 0) {
    values[room.first + place] = value;
    which[room.first + place] = i;
}
