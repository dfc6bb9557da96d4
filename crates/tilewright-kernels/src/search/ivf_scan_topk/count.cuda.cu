// How many queries name each list. Counts begin at 0.
const unsigned stride = gridDim.x * blockDim.x;
for (unsigned pair = threadgroup_position_in_grid.x * blockDim.x + threadIdx.x; pair < pairs; pair += stride) {
    const long long list = probes[pair];
    if (list >= 0 && list < (long long)lists) atomicAdd((unsigned*)counts + list, 1u);
}
