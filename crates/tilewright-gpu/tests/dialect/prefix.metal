// x [threads] float, whole numbers; skip [threads] uint: lanes that return early. Outputs f [threads * 8]
// float, u [threads * 3] uint. Scans over the lanes of the SIMD group that have not returned, in order of
// their index; those that have write zeros.
const uint i =
    thread_index_in_threadgroup + threadgroup_position_in_grid.x * dispatch_threads_per_threadgroup.x;
for (int k = 0; k < 8; ++k) f[i * 8 + k] = 0;
for (int k = 0; k < 3; ++k) u[i * 3 + k] = 0;
if (skip[i] != 0) return;
const float v = x[i], factor = v < 0 ? -1.0f : v > 2 ? 2.0f : 1.0f;
uint n = i * 8;
f[n++] = simd_prefix_inclusive_sum(v);
f[n++] = simd_prefix_exclusive_sum(v);
f[n++] = simd_prefix_inclusive_product(factor);
f[n++] = simd_prefix_exclusive_product(factor);
f[n++] = simd_prefix_inclusive_sum(half(v));
f[n++] = simd_prefix_exclusive_sum(bfloat(v));
f[n++] = simd_prefix_inclusive_sum(float2(v, 2.0f * v)).y;
f[n++] = float(simd_prefix_exclusive_sum(int(v)));
n = i * 3;
u[n++] = simd_prefix_inclusive_sum(uint(v + 8.0f));
u[n++] = simd_prefix_exclusive_sum(1u);
u[n++] = uint(simd_prefix_inclusive_sum(ulong(v + 8.0f) << 33) >> 33);
