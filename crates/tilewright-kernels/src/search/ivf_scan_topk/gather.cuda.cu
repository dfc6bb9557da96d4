// The pairs of a query and a list together by their lists. `left` begins as the counts and ends as zeros.
const unsigned stride = gridDim.x * blockDim.x;
for (unsigned pair = threadgroup_position_in_grid.x * blockDim.x + threadIdx.x; pair < pairs; pair += stride) {
    const long long list = probes[pair];
    if (list >= 0 && list < (long long)lists) members[starts[list] + atomicSub((unsigned*)left + list, 1u) - 1] = pair;
}
