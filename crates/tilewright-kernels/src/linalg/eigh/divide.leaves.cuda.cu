// A group a matrix: the tridiagonal matrices of `leaf` rows that are left when it is cut, dense. What couples two is taken from both. Beyond row n stand
// values beyond all others.
__shared__ double largest[8];
const int t = threadIdx.x, order = int(n), side = int(leaf), rows = side * int(leaves);
const size_t item = threadgroup_position_in_grid.x;
const double* d = diagonal + item * n;
const double* e = subdiagonal + item * n;
double bound = 0.0;
for (int i = t; i < order; i += 256) {
    const double above = i > 0 ? ::fabs(e[i - 1]) : 0.0, below = i + 1 < order ? ::fabs(e[i]) : 0.0;
    bound = ::fmax(bound, ::fabs(d[i]) + above + below);
}
bound = warp_largest(bound);
if (t % 32 == 0) largest[t / 32] = bound;
// All are there.
__syncthreads();
for (int w = 0; w < 8; ++w) bound = ::fmax(bound, largest[w]);
S* to = matrices + item * leaves * leaf * leaf;
for (int at = t; at < rows * side; at += 256) {
    const int i = at / side, j = i / side * side + at % side;
    double x = 0.0;
    if (i == j && i >= order) x = 1.5 * bound;
    if (i == j && i < order) {
        x = d[i];
        if (i % side == 0 && i > 0) x -= ::fabs(e[i - 1]);
        if (i % side == side - 1 && i + 1 < order) x -= ::fabs(e[i]);
    }
    const int low = i < j ? i : j;
    if ((i - j == 1 || j - i == 1) && low + 1 < order) x = e[low];
    to[at] = S(x);
}
