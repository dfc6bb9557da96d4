// Where the rows of each label begin, and where its slices of SLICE rows do, by one group of threads: a stretch of labels a thread.
__shared__ unsigned sums[2][1024];
const unsigned t = threadIdx.x, own = (k + blockDim.x - 1) / blockDim.x, begin = min(k, t * own), end = min(k, begin + own);
unsigned sum[2] = {0, 0};
for (unsigned c = begin; c < end; ++c) sum[0] += totals[c], sum[1] += (totals[c] + SLICE - 1) / SLICE;
sums[0][t] = sum[0], sums[1][t] = sum[1];
for (unsigned distance = 1; distance < blockDim.x; distance *= 2) {
    __syncthreads();  // the step before is written
    const unsigned rows = t >= distance ? sums[0][t - distance] : 0, slices = t >= distance ? sums[1][t - distance] : 0;
    __syncthreads();  // and read
    sums[0][t] += rows, sums[1][t] += slices;
}
unsigned at = sums[0][t] - sum[0], slice = sums[1][t] - sum[1];
for (unsigned c = begin; c < end; ++c) {
    starts[c] = at, slices_before[c] = slice;
    at += totals[c], slice += (totals[c] + SLICE - 1) / SLICE;
}
if (t + 1 == blockDim.x) slices_before[k] = slice;
