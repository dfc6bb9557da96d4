// Where each stretch's rows of a label begin among all rows of the label, and how many these are; behind those a 0, for whether a centroid moves. A group for 32 labels, each warp of it a share of the stretches.
__shared__ unsigned sums[32][33];
const unsigned lane = threadIdx.x % 32, share = threadIdx.x / 32, shares = blockDim.x / 32, c = threadgroup_position_in_grid.x * 32 + lane;
const unsigned own = (stretches + shares - 1) / shares, begin = min(stretches, share * own), end = min(stretches, begin + own);
unsigned sum = 0;
if (c < k) {
#pragma unroll 8
    for (unsigned stretch = begin; stretch < end; ++stretch) sum += counts[size_t(stretch) * k + c];
}
sums[share][lane] = sum;
__syncthreads();  // the sums of all shares are there
unsigned before = 0, all = 0;
for (unsigned other = 0; other < shares; ++other) {
    const unsigned theirs = sums[other][lane];
    if (other < share) before += theirs;
    all += theirs;
}
if (threadIdx.x == 0 && threadgroup_position_in_grid.x == 0) totals[k] = 0;
if (c >= k) return;
#pragma unroll 8
for (unsigned stretch = begin; stretch < end; ++stretch) {
    const size_t at = size_t(stretch) * k + c;
    const unsigned there = counts[at];
    offsets[at] = before;
    before += there;
}
if (share == 0) totals[c] = all;
