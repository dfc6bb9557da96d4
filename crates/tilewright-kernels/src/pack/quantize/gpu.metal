// One block of a row a team: LANES lanes of a SIMD group, or the whole threadgroup where WIDE. A lane holds HELD quads of the block.
const uint thread_index = thread_position_in_threadgroup.x, threads = threads_per_threadgroup.x;
const uint lanes = WIDE ? threads : LANES;
const uint lane = thread_index % lanes;
const uint team = threadgroup_position_in_grid.x * (threads / lanes) + thread_index / lanes;
const bool idle = team >= rows * blocks;  // its lanes still take part in exchanges
const uint row = idle ? 0 : team / blocks, first = idle ? 0 : team % blocks * block;
const uint count = idle ? 0 : min(block, n - first), quads = (count + 3) / 4;
const device T* source = x + size_t(row) * n + first;

float4 held[HELD];
uint magnitude = 0;
for (uint i = 0; i < HELD; ++i) {
    const uint quad = lane + i * lanes;
    held[i] = quad < quads ? quad_of<T, VECTORS>(source, quad, count) : float4(0.0f);
    magnitude = max(magnitude, magnitude_of(held[i]));
}
for (uint quad = lane + HELD * lanes; quad < quads; quad += lanes) {
    magnitude = max(magnitude, magnitude_of(quad_of<T, VECTORS>(source, quad, count)));
}
for (ushort mask = LANES / 2; mask > 0; mask /= 2) magnitude = max(magnitude, simd_shuffle_xor(magnitude, mask));
if (WIDE) {
    threadgroup uint parts[32];
    if (thread_index % 32 == 0) parts[thread_index / 32] = magnitude;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' magnitudes are there
    for (uint part = 0; part < threads / 32; ++part) magnitude = max(magnitude, parts[part]);
}
if (idle) return;

const Scaled scaled = scaled_of<FORMAT>(magnitude);
if (lane == 0) scales[size_t(row) * blocks + first / block] = scaled.scale;
const uint per = FORMAT == NIBBLES ? 2 : 1;
device V* target = values + size_t(row) * width + first / per;
for (uint i = 0; i < HELD; ++i) {
    const uint quad = lane + i * lanes;
    if (quad < quads) store<V, FORMAT, VECTORS>(target, quad, count, held[i], scaled.factor);
}
for (uint quad = lane + HELD * lanes; quad < quads; quad += lanes) {
    store<V, FORMAT, VECTORS>(target, quad, count, quad_of<T, VECTORS>(source, quad, count), scaled.factor);
}
