// How many rows of this group's stretch have each label. Each warp counts its run by itself.
const unsigned warps = blockDim.x / 32, warp = threadIdx.x / 32;
for (unsigned i = threadIdx.x; i < warps * k; i += blockDim.x) memory[i] = 0;
__syncthreads();
const size_t first = (size_t(threadgroup_position_in_grid.x) * warps + warp) * RUN;
pass<false>((const long long*)labels, min(first, size_t(n)), min(first + RUN, size_t(n)), memory + warp * k, nullptr);
__syncthreads();
for (unsigned c = threadIdx.x; c < k; c += blockDim.x) {
    unsigned all = 0;
    for (unsigned other = 0; other < warps; ++other) all += memory[other * k + c];
    counts[size_t(threadgroup_position_in_grid.x) * k + c] = all;
}
