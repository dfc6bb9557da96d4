// One thread for four elements of a row: 4, 3 or 2 bytes.
const uint at = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
if (at >= n * units) return;
const uint row = at / units, first = at % units * 4;
constexpr uint most = (1u << BITS) - 1;
uint all = 0;
for (uint i = 0; i < 4 && first + i < d; ++i) {
    const uint j = first + i;
    const float least = ranges[j], width = ranges[d + j];
    const float steps = (x[size_t(row) * d + j] - least) / width * float(most);
    // What is no number is not above 0.
    const uint word = !(width > 0 && steps > 0) ? 0u : steps >= float(most) ? most : uint(steps);
    all |= word << (BITS * i);
}
const uint start = first / 4 * (BITS / 2);
for (uint i = 0; i < BITS / 2 && start + i < bytes; ++i) codes[size_t(row) * bytes + start + i] = uchar(all >> (8 * i));
