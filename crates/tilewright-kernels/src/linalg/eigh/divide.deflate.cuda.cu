// A group a pair of halves, whose matrices and `coupling` are diag(values) + weight z zT by the halves' vectors: which columns stay as they are (LAPACK's LAED2).
// First those that are joined, by rising poles, then the others.
const int t = threadIdx.x, lane = t % 32, warp = t / 32;
const size_t pair = threadgroup_position_in_grid.x;
const Pair room(pair, height);
const int side = room.side, h = side / 2;
double* value = (double*)memory;  // [side], rising
double* part = value + side;      // z
int* home = (int*)(part + side);  // which column of the two
int* joined = home + side;        // places of those whose z is not nothing
unsigned* words = (unsigned*)(joined + side);  // [side / 32 + 1]: bits of neighbours whose poles may be one
unsigned char* keeps = (unsigned char*)(words + side / 32 + 1);
__shared__ double largest[2][8];
__shared__ int many;
const double* given = values + room.first;
const S* left = vectors + pair * 2 * h * h + size_t(h - 1) * h;
const S* right = vectors + (pair * 2 + 1) * h * h;
// The matrix's row at which the second half begins; beyond its last one nothing couples.
const int middle = int(pair % pairs) * side + h;
const double coupling = middle < int(n) ? subdiagonal[pair / pairs * n + middle - 1] : 0.0;
const double over = 0.70710678118654752440;
double most = 0.0, most_z = 0.0;
for (int j = t; j < side; j += 256) {
    const bool first = j < h;
    const double x = given[j], z = first ? double(left[j]) * over : double(right[j - h]) * (coupling < 0.0 ? -over : over);
    // Its place among both: how many of the other half come before it.
    int low = first ? h : 0, high = first ? side : h;
    const int from = low;
    while (low < high) {
        const int between = (low + high) / 2;
        if (first ? given[between] < x : given[between] <= x) low = between + 1;
        else high = between;
    }
    const int place = (first ? j : j - h) + low - from;
    value[place] = x;
    part[place] = z;
    home[place] = j;
    most = ::fmax(most, ::fabs(x));
    most_z = ::fmax(most_z, ::fabs(z));
}
most = warp_largest(most);
most_z = warp_largest(most_z);
if (lane == 0) {
    largest[0][warp] = most;
    largest[1][warp] = most_z;
}
// Places and largest are there.
__syncthreads();
for (int w = 0; w < 8; ++w) most = ::fmax(most, ::fmax(largest[0][w], largest[1][w]));
const double tolerance = 4.0 * (sizeof(S) == 8 ? 2.220446049250313e-16 : 1.1920928955078125e-7) * most;
const double strength = 2.0 * ::fabs(coupling);
if (warp == 0) {
    int count = 0;
    for (int from = 0; from < side; from += 32) {
        const int j = from + lane;
        const bool is = j < side && strength * ::fabs(part[j]) > tolerance;
        const unsigned all = __ballot_sync(ALL, is);
        if (is) joined[count + __popc(all & ((1u << lane) - 1))] = j;
        if (j < side) keeps[j] = is;
        count += __popc(all);
    }
    if (lane == 0) many = count;
}
// They are known.
__syncthreads();
const int count = many;
for (int from = 32 * warp; from < count; from += 256) {
    const int q = from + lane;
    bool close = false;
    if (q > 0 && q < count) {
        const int i = joined[q - 1], j = joined[q];
        close = ::fabs((value[j] - value[i]) * part[i] * part[j]) <= tolerance * (part[i] * part[i] + part[j] * part[j]);
    }
    const unsigned all = __ballot_sync(ALL, close);
    if (lane == 0) words[from / 32] = all;
}
// As is who is near to whom.
__syncthreads();
if (t == 0) {
    int turned = 0;
    ::double2* turn = (::double2*)turns + room.first;
    ::int2* place = (::int2*)turned_places + room.first;
    int q = 0;
    bool changed = false;
    for (;;) {
        // The next one to look at: the one after one that changed, or one that is near.
        int next = q + 1;
        if (!changed) {
            while (next < count) {
                const unsigned rest = words[next / 32] >> (next % 32);
                if (rest != 0) {
                    next += __ffs(rest) - 1;
                    break;
                }
                next = (next / 32 + 1) * 32;
            }
        }
        if (next >= count) break;
        q = next;
        const int i = joined[q - 1], j = joined[q];
        const double zi = part[i], zj = part[j], low = value[i], high = value[j];
        changed = ::fabs((high - low) * zi * zj) <= tolerance * (zi * zi + zj * zj);
        if (!changed) continue;
        // Two poles that are one: all of z into the second.
        const double length = ::sqrt(zi * zi + zj * zj), c = zj / length, s = -zi / length;
        part[i] = 0.0;
        part[j] = length;
        value[i] = low * c * c + high * s * s;
        value[j] = low * s * s + high * c * c;
        keeps[i] = 0;
        turn[turned] = ::make_double2(c, s);
        place[turned] = ::make_int2(home[i], home[j]);
        ++turned;
    }
    counts[2 * pair + 1] = turned;
}
// So is who is joined.
__syncthreads();
if (warp == 0) {
    int kept = 0, total = 0;
    for (int from = 0; from < side; from += 32) total += __popc(__ballot_sync(ALL, from + lane < side && keeps[from + lane]));
    for (int from = 0; from < side; from += 32) {
        const int j = from + lane;
        const bool is = j < side && keeps[j];
        const unsigned all = __ballot_sync(ALL, is);
        const int before = kept + __popc(all & ((1u << lane) - 1));
        if (j < side) {
            const size_t to = room.first + (is ? before : total + j - before);
            poles[to] = value[j];
            parts[to] = part[j];
            places[to] = home[j];
        }
        kept += __popc(all);
    }
    if (lane == 0) {
        counts[2 * pair] = total;
        weights[pair] = strength;
    }
}
