// skip [threads] uint: lanes that return early; out [threads * 7] uint. Votes of the lanes that have not
// returned.
const uint i = thread_position_in_grid.x;
for (int k = 0; k < 7; ++k) out[i * 7 + k] = 0;
if (skip[i] != 0) return;
uint n = i * 7;
const bool odd = thread_index_in_simdgroup % 2 == 1;
out[n++] = simd_any(odd);
out[n++] = simd_all(odd);
out[n++] = uint(static_cast<simd_vote::vote_t>(simd_ballot(odd)));
out[n++] = uint((ulong)simd_ballot(odd) >> 32);
out[n++] = uint((ulong)simd_active_threads_mask());
out[n++] = simd_is_first();
out[n++] = simd_all(true) && !simd_any(false);
