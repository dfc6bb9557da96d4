// A query a group: the means over parts of its sequence, each by the part's share of the sum of exponentials.
const uint row = threadgroup_position_in_grid.x;
const device float* own = marks + ulong(row) * splits;
float top = -INFINITY;
for (uint split = 0; split < splits; ++split) top = own[split] > top ? own[split] : top;
const float middle = top == -INFINITY ? 0.0f : top;
float total = 0.0f;
for (uint split = 0; split < splits; ++split) total += exp(own[split] - middle);
const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
for (uint column = thread_position_in_threadgroup.x; column < dv; column += threads_per_threadgroup.x) {
    float sum = 0.0f;
    for (uint split = 0; split < splits; ++split) {
        sum = fma(exp(own[split] - middle) * inverse, parts[(ulong(row) * splits + split) * dv + column], sum);
    }
    out[ulong(row) * dv + column] = O(sum);
}
if (thread_position_in_threadgroup.x == 0) lse[row] = top + log(total);
