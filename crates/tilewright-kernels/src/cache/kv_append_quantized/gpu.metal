// One block of a token's head a team: LANES lanes of a SIMD group, each with HELD quads of the block.
const uint lane = thread_position_in_threadgroup.x % LANES;
const uint team = threadgroup_position_in_grid.x * (threads_per_threadgroup.x / LANES) + thread_position_in_threadgroup.x / LANES;
const uint row = team / groups, first = team % groups * group;
const long slot = team < total ? slots[row / heads] : -1;
const bool none = slot < 0 || slot >= long(capacity);  // its lanes still take part in exchanges
const uint count = none ? 0 : min(group, d - first), quads = (count + 3) / 4;
const device T* source = x + size_t(none ? 0 : row) * d + first;

float4 held[HELD];
uint magnitude = 0;
#pragma unroll
for (uint i = 0; i < HELD; ++i) {
    const uint quad = lane + i * LANES;
    held[i] = quad < quads ? quad_of<T, VECTORS>(source, quad, count) : float4(0.0f);
    magnitude = max(magnitude, magnitude_of(held[i]));
}
for (ushort mask = LANES / 2; mask > 0; mask /= 2) magnitude = max(magnitude, simd_shuffle_xor(magnitude, mask));
if (none) return;

const ulong to = ulong(slot) * heads + row % heads;
const Scaled scaled = scaled_of<FORMAT>(magnitude);
if (lane == 0) scales[to * groups + first / group] = scaled.scale;
device V* target = (device V*)values + to * width + first / (FORMAT == NIBBLES ? 2 : 1);
#pragma unroll
for (uint i = 0; i < HELD; ++i) {
    const uint quad = lane + i * LANES;
    if (quad < quads) store<V, FORMAT, VECTORS>(target, quad, count, held[i], scaled.factor);
}
