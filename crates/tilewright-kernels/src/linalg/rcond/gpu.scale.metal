// A group a matrix: the matrix over a power of two next to its largest element, and the 1-norm of that; of one with a NaN or an infinity, as it is.
threadgroup S parts[SIMDS];
const uint t = thread_index_in_threadgroup;
const uint item = threadgroup_position_in_grid.x;
const device S* from = a + ulong(item) * n * n;
device S* to = scaled + ulong(item) * n * n;
S largest = S(0);
for (uint e = t; e < n * n; e += 32 * SIMDS) largest = best<true, S>(largest, magnitude(from[e]));
largest = group_best<true, SIMDS, S>(largest, parts, t);
// The difference of an infinity or NaN with itself is NaN.
const S by = largest - largest == S(0) ? power_of_two(largest) : S(1);
S size = S(0);
for (uint j = t; j < n; j += 32 * SIMDS) {
    S sum = S(0);
    for (uint i = 0; i < n; ++i) {
        const S x = from[i * n + j] / by;
        to[i * n + j] = x;
        sum += magnitude(x);
    }
    size = best<true, S>(size, sum);
}
size = group_best<true, SIMDS, S>(size, parts, t);
if (t == 0) norm[item] = size;
