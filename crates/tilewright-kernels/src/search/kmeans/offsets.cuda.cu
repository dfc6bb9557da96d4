// Where each stretch's rows of a label begin among all rows of the label, and how many these are. One thread a label.
const unsigned c = threadgroup_position_in_grid.x * blockDim.x + threadIdx.x;
if (c >= k) return;
unsigned sum = 0;
#pragma unroll 8
for (unsigned stretch = 0; stretch < stretches; ++stretch) {
    const size_t at = size_t(stretch) * k + c;
    const unsigned own = counts[at];
    offsets[at] = sum;
    sum += own;
}
totals[c] = sum;
