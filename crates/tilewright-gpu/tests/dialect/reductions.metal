// x [threads] float, whole numbers; skip [threads] uint: lanes that return early. Outputs f [threads * 10]
// float, u [threads * 11] uint. Each reduction is over the lanes of the SIMD group that have not returned;
// those that have write zeros.
const uint i =
    thread_index_in_threadgroup + threadgroup_position_in_grid.x * dispatch_threads_per_threadgroup.x;
for (int k = 0; k < 10; ++k) f[i * 10 + k] = 0;
for (int k = 0; k < 11; ++k) u[i * 11 + k] = 0;
if (skip[i] != 0) return;
const float v = x[i];
const uint w = uint(v + 8.0f);
uint n = i * 10;
f[n++] = simd_sum(v);
f[n++] = simd_product(v < 0 ? -1.0f : v > 2 ? 2.0f : 1.0f);
f[n++] = simd_max(v);
f[n++] = simd_min(v);
f[n++] = simd_sum(half(v));
f[n++] = simd_max(half(v));
f[n++] = simd_sum(bfloat(v));
f[n++] = simd_min(bfloat(v));
f[n++] = simd_sum(float4(v, 1.0f, 2.0f * v, -v)).z;
f[n++] = simd_max(float2(v, -v)).y;
n = i * 11;
u[n++] = simd_sum(w);
u[n++] = simd_product(w & 1 ? 3u : 1u);
u[n++] = simd_max(w);
u[n++] = simd_min(w);
u[n++] = simd_and(w | 16u);
u[n++] = simd_or(w);
u[n++] = simd_xor(w);
u[n++] = uint(simd_sum(ulong(w) << 20) >> 20);
u[n++] = uint(simd_min(int(v)) + 1000);
u[n++] = uint(int(simd_sum(short(v))) + 1000);
u[n++] = uint(simd_max(long(v)) + 1000);
