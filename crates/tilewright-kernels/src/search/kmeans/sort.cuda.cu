// The rows by label, those of one label in their order.
const unsigned warps = blockDim.x / 32, warp = threadIdx.x / 32;
for (unsigned i = threadIdx.x; i < warps * k; i += blockDim.x) memory[i] = 0;
__syncthreads();
const size_t first = min((size_t(threadgroup_position_in_grid.x) * warps + warp) * RUN, size_t(n)), last = min(first + RUN, size_t(n));
pass<false>((const long long*)labels, first, last, memory + warp * k, nullptr);
__syncthreads();  // all have counted
for (unsigned c = threadIdx.x; c < k; c += blockDim.x) {
    unsigned at = starts[c] + offsets[size_t(threadgroup_position_in_grid.x) * k + c];
    for (unsigned other = 0; other < warps; ++other) {
        const unsigned own = memory[other * k + c];
        memory[other * k + c] = at;
        at += own;
    }
}
__syncthreads();  // every warp knows its places
pass<true>((const long long*)labels, first, last, memory + warp * k, order);
