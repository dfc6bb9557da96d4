// What a block of tokens adds to the gradient of each weight: a thread for each weight, so that neighbours read neighbours.
const uint width = heads * n;
const uint column = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (column >= width) return;
const uint first = threadgroup_position_in_grid.y * block, last = min(first + block, tokens), head = column / n;
float sum = 0.0f;
for (uint token = first; token < last; ++token) {
    const size_t at = size_t(token) * width + column, row = 2 * (size_t(token) * heads + head);
    const float given = GATED ? float(dy[at]) * opened(float(gate[at])) : float(dy[at]);
    sum += given * ((float(x[at]) - moments[row]) * moments[row + 1]);
}
parts[size_t(threadgroup_position_in_grid.y) * width + column] = sum;
