// Each row: its moments, which the gradient of the weights needs too; the means of g = dy w and of g y; then its gradient. GATED: what a norm gets of dy is
// dy sigma(gate), and the gate gets dy y w sigma'(gate).
const Row row = row_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x, thread_position_in_threadgroup.x);
if (row.index >= rows) return;  // whole SIMD groups, and only where there is no barrier
threadgroup float scratch[8];
const size_t start = size_t(row.index) * n;
const size_t head = size_t(row.index % heads) * n;
const float2 own = moments_of<CENTRED>(x + start, row, n, eps, wide, scratch);
float sum = 0.0f, along = 0.0f;
for (uint i = row.lane; i < n; i += row.lanes) {
    float g = float(dy[start + i]) * float(weight[head + i]);
    if (GATED) g *= opened(float(gate[start + i]));
    sum += g;
    along += g * ((float(x[start + i]) - own.x) * own.y);
}
const float mean = CENTRED ? total(sum, row, wide, scratch) / float(n) : 0.0f;
along = total(along, row, wide, scratch) / float(n);
for (uint i = row.lane; i < n; i += row.lanes) {
    float g = float(dy[start + i]) * float(weight[head + i]);
    const float y = (float(x[start + i]) - own.x) * own.y;
    if (GATED) {
        const float open = float(gate[start + i]);
        dgate[start + i] = T(g * y * opening(open));
        g *= opened(open);
    }
    dx[start + i] = T((g - mean - y * along) * own.y);
}
if (row.lane == 0) {
    moments[2 * size_t(row.index)] = own.x;
    moments[2 * size_t(row.index) + 1] = own.y;
}
