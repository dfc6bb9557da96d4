// One thread an entry of tables[b, m, words]; METRIC is 0 for squared L2, 1 for the negative inner product.
const uint at = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (at >= count) return;
const uint own = at / words;  // [b, m]
const device float* query = queries + size_t(own) * part;
const device float* word = codebooks + (size_t(own % m) * words + at % words) * part;
float sum = 0;
for (uint t = 0; t < part; ++t) {
    const float difference = query[t] - word[t];
    sum += METRIC == 0 ? difference * difference : -(query[t] * word[t]);
}
tables[at] = sum;
