// 32 threads: x [32] float; out [32 * 14] float. Thread l writes at l * 14; each function is over its group
// of four.
const uint lane = thread_index_in_simdgroup;
const float v = x[lane];
uint n = lane * 14;
out[n++] = quad_sum(v);
out[n++] = quad_product(v < 0 ? -1.0f : 2.0f);
out[n++] = quad_max(v);
out[n++] = quad_min(v);
out[n++] = float(quad_or(1u << (lane % 7)));
out[n++] = quad_broadcast(v, 2);
out[n++] = quad_broadcast_first(v);
out[n++] = quad_shuffle(v, ushort(3 - thread_index_in_quadgroup));
out[n++] = quad_shuffle_xor(v, 1);
out[n++] = quad_shuffle_rotate_down(v, 1);
out[n++] = quad_prefix_inclusive_sum(v);
out[n++] = quad_prefix_exclusive_sum(v);
out[n++] = float((ulong)quad_ballot(v > 0.0f));
out[n++] = float(quad_any(v > 3.0f)) + 2.0f * float(quad_all(v > 0.0f)) + 4.0f * float(quad_is_first());
