// A group a matrix: its values, in its own type, and whether all leaves were made diagonal.
const int t = threadIdx.x;
const size_t item = threadgroup_position_in_grid.x;
for (int i = t; i < int(n); i += 256) found[item * n + i] = S(values[item * rows + i]);
int failed = 0;
for (int leaf = t; leaf < int(leaves); leaf += 256) failed |= infos[item * leaves + leaf];
failed = __syncthreads_or(failed);
if (t == 0) info[item] = failed ? 1 : 0;
