// A group 32 vectors of a pair, by rising values: in terms of the halves' columns.
const int t = threadIdx.x, lane = t % 32, slice = t / 32;
const size_t pair = threadgroup_position_in_grid.x;
const Pair room(pair, height);
const int side = room.side, count = counts[2 * pair], turned = counts[2 * pair + 1];
const int column = int(threadgroup_position_in_grid.y) * 32 + lane;
double* pole = (double*)memory;  // [count]
double* z = pole + side;         // [count]
int* place = (int*)(z + side);   // [side]
__shared__ double squares[8][32];
for (int q = t; q < side; q += 256) {
    if (q < count) {
        pole[q] = poles[room.first + q];
        z[q] = exact[room.first + q];
    }
    place[q] = places[room.first + q];
}
// They are there.
__syncthreads();
const bool is = column < side;
const int q = is ? which[room.first + column] : side;
const bool joined = q < count;
const double from = joined ? pole[origins[room.first + q]] : 0.0, offset = joined ? offsets[room.first + q] : 0.0;
double square = 0.0;
if (joined) {
    for (int i = slice; i < count; i += 8) {
        const double x = z[i] / distance_of(pole[i], from, offset);
        square = ::fma(x, x, square);
    }
}
squares[slice][lane] = square;
// All parts are there.
__syncthreads();
square = 0.0;
for (int part = 0; part < 8; ++part) square += squares[part][lane];
const double over = joined ? ::rsqrt(square) : 0.0;
S* to = turning + pair * side * side + column;
if (is) {
    for (int i = slice; i < side; i += 8) {
        double x = i == q ? 1.0 : 0.0;
        if (joined) x = i < count ? z[i] / distance_of(pole[i], from, offset) * over : 0.0;
        to[size_t(place[i]) * side] = S(x);
    }
}
if (turned == 0) return;
// The vectors are there before columns that were turned into each other turn back, the last ones first.
__syncthreads();
if (slice > 0 || !is) return;
const ::double2* turn = (const ::double2*)turns + room.first;
const ::int2* between = (const ::int2*)turned_places + room.first;
for (int m = turned - 1; m >= 0; --m) {
    const S c = S(turn[m].x), s = S(turn[m].y);
    S* first = to + size_t(between[m].x) * side;
    S* second = to + size_t(between[m].y) * side;
    const S x = *first, y = *second;
    *first = c * x - s * y;
    *second = s * x + c * y;
}
