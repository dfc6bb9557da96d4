// The states at all boundaries, in one array: those that enter each chunk, then the last one. A group a boundary.
const uint t = thread_position_in_threadgroup.x, threads = threads_per_threadgroup.x;
const uint index = threadgroup_position_in_grid.x % (chunks + 1);
const ulong head = threadgroup_position_in_grid.x / (chunks + 1);
const bool last = index == chunks;
const ulong to = head * (chunks + 1) + index, from = last ? head : head * chunks + index;
const device float* c_from = last ? c_last : c_states;
const device float* n_from = last ? n_last : n_states;
const ulong size = ulong(dqk) * dv;
for (ulong at = t; at < size; at += threads) c_out[to * size + at] = c_from[from * size + at];
for (uint a = t; a < dqk; a += threads) n_out[to * dqk + a] = n_from[from * dqk + a];
if (t > 0) return;  // there is no barrier
if (last) m_out[to] = m_last[head];
else if (index > 0) m_out[to] = m[head * s + ulong(index) * chunk - 1];
else m_out[to] = resume ? m_first[head] : 0.0f;
