// A group a tile, taken in the order of columns of tiles, so that a group waits only for what others have taken before; the first one has the diagonal.
__shared__ int taken[2];
float* s = (float*)memory;
const int t = threadIdx.x, count = (n + SIDE - 1) / SIDE;
if (t == 0) {
    int left = int(atomicAdd(ticket, 1u)) - 2, c = -1, i = left < -1 ? 0 : 1;
    if (left >= 0) {
        for (c = 0; left >= count - 2 - c; ++c) left -= count - 2 - c;
        i = c + 2 + left;
    }
    taken[0] = i;
    taken[1] = c;
}
// The ticket is there.
__syncthreads();
const int i = taken[0], c = taken[1];
float* handed = tiles + slot(count, 0);
if (i == 0) {
    const int failed = chain(a, n, upper, tiles, handed, factor, s, count);
    if (t == 0) info[0] = failed;
} else if (i == c + 2) {
    work<3>(a, n, upper, tiles, handed, factor, s, i, c);
} else {
    work<1>(a, n, upper, tiles, handed, factor, s, i, c);
}
