// The mean of each label's rows, from the sums of its slices in their order; the old centroid where there are none. Where one is another than before, totals[k] says so.
// One thread an element.
const unsigned at = threadgroup_position_in_grid.x * blockDim.x + threadIdx.x, c = at / d;
if (c >= k) return;
float sum = 0;
for (unsigned slice = slices_before[c]; slice < slices_before[c + 1]; ++slice) sum += parts[size_t(slice) * d + at % d];
const float before = old[at], mean = totals[c] > 0 ? sum / float(totals[c]) : before;
next[at] = mean;
if (__float_as_uint(mean) != __float_as_uint(before)) totals[k] = 1;  // whichever threads do, they write the same
