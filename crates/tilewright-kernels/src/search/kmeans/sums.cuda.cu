// The sum of a slice of a label's rows, in their order: warp w takes the rows w, w + 8, ... of it. One group of 8 warps a slice.
__shared__ float partial[8][128];
const unsigned slice = threadgroup_position_in_grid.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
if (slice >= slices_before[k]) return;
unsigned c = 0;  // the label: the last one that does not begin behind the slice
for (unsigned step = 1u << 31 >> __clz(k); step > 0; step /= 2) {
    if (c + step < k && slices_before[c + step] <= slice) c += step;
}
const unsigned first_row = (slice - slices_before[c]) * SLICE, count = min(totals[c] - first_row, unsigned(SLICE));
const unsigned* own = order + starts[c] + first_row;
for (unsigned first = 0; first < d; first += 128) {
    const unsigned j = first + lane * 4;
    float sums[4] = {0, 0, 0, 0};
    if (j < d) {
#pragma unroll 8
        for (unsigned i = warp; i < count; i += 8) {
            float values[4];
            four<KIND>(values, x, size_t(own[i]) * d + j);
#pragma unroll
            for (int e = 0; e < 4; ++e) sums[e] += values[e];
        }
    }
    for (int e = 0; e < 4; ++e) partial[warp][lane * 4 + e] = sums[e];
    __syncthreads();  // all sums are there
    for (unsigned e = threadIdx.x; e < 128 && first + e < d; e += blockDim.x) {
        float sum = 0;
        for (int other = 0; other < 8; ++other) sum += partial[other][e];
        parts[size_t(slice) * d + first + e] = sum;
    }
    __syncthreads();  // and read
}
