// One SIMD group of 32: x [32] float; out [32 * 16] float. Lane l writes at l * 16. Every lane that is asked
// for is there.
const uint lane = thread_index_in_simdgroup;
const float v = x[lane];
uint n = lane * 16;
out[n++] = simd_shuffle(v, ushort(31 - lane));
out[n++] = simd_shuffle_xor(v, 5);
out[n++] = simd_broadcast(v, 7);
out[n++] = simd_broadcast_first(v);
out[n++] = simd_shuffle_rotate_up(v, 3);
out[n++] = simd_shuffle_rotate_down(v, 3);
out[n++] = simd_shuffle_and_fill_up(v, v + 100.0f, 2);
out[n++] = simd_shuffle_and_fill_down(v, v + 100.0f, 2);
out[n++] = simd_shuffle_and_fill_up(v, v + 100.0f, 3, 8);
out[n++] = simd_shuffle_and_fill_down(v, v + 100.0f, 3, 8);
out[n++] = simd_shuffle(half(v), ushort(lane ^ 1));
out[n++] = simd_shuffle_xor(bfloat(v), 2);
out[n++] = float(simd_shuffle_xor(ulong(v) << 40, 1) >> 40);
out[n++] = simd_shuffle(lane < 4, 3) ? 1.0f : 0.0f;
out[n++] = simd_shuffle_xor(float3(v, 2.0f * v, 3.0f * v), 16).z;
out[n++] = simd_shuffle_rotate_down(short(v), 1);
