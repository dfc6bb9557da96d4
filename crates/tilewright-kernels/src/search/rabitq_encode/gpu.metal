// One SIMD group a row; 32 elements at a time are four bytes of its code.
const uint lane = thread_index_in_simdgroup;
const uint row = threadgroup_position_in_grid.x * (threads_per_threadgroup.x / 32) + simdgroup_index_in_threadgroup;
if (row >= n) return;
const device float* own = x + size_t(row) * d;
float squared = 0, absolute = 0;
for (uint first = 0; first < d; first += 32) {
    const uint j = first + lane;
    const float value = j < d ? own[j] : 0.0f;
    squared += value * value;
    absolute += abs(value);
    // A byte is gathered by three exchanges with neighbours.
    uint bits = value > 0 ? 1u << (lane % 8) : 0u;
    for (ushort step = 1; step < 8; step *= 2) bits |= simd_shuffle_xor(bits, step);
    if (lane % 8 == 0 && j < d) codes[size_t(row) * bytes + j / 8] = uchar(bits);
}
squared = simd_sum(squared);
absolute = simd_sum(absolute);
if (lane == 0) {
    squares[row] = squared;
    factors[row] = absolute == 0 ? 0.0f : 2 * squared / absolute;
}
