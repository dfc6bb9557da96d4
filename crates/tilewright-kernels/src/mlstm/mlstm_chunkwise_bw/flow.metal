// The gradients of one chunk's gates, and at the first chunk those of n and m; dq and dk in the dtype of the data.
// What flows over the end of the chunk, <C, dC> + <n, dn>, is known from the states; from there back each token adds q . dq - k . dk.
const uint t = thread_position_in_threadgroup.x, lane = t % 32, simd = t / 32;
const uint threads = threads_per_threadgroup.x, simds = threads / 32;
const uint groups = max(chunks, 1u);
const uint index = threadgroup_position_in_grid.x % groups;
const ulong head = threadgroup_position_in_grid.x / groups;
const uint first = index * chunk, end = min(first + chunk, s);
const uint size = (dv + 1) * dqk;
const Cell cell = {sigmoid_gate, normalize, eps, cap};
threadgroup float parts[2][32];

// The state after this chunk with what it gains, and, at the first chunk, the one before it.
const bool last = index + 1 >= chunks;
const device float* state = last ? c_last + head * size : c_states + (head * chunks + index + 1) * size;
const device float* gradient = chunks == 0 ? dc_last + head * size : dc_states + (head * chunks + index) * size;
const device float* start = chunks == 0 ? c_last + head * size : c_states + head * chunks * size;
float over_end = 0.0f, over_start = 0.0f;
for (uint at = t; at < size; at += threads) {
    over_end += state[at] * gradient[at];
    if (index == 0) over_start += start[at] * dc_last[head * size + at];
}
over_end = simd_sum(over_end);
over_start = simd_sum(over_start);
if (lane == 0) {
    parts[0][simd] = over_end;
    parts[1][simd] = over_start;
}

for (uint token = first + simd; token < end; token += simds) {
    const ulong place = (head * s + token) * dqk;
    float by_query = 0.0f, by_key = 0.0f;
    for (uint a = lane; a < dqk; a += 32) {
        by_query += float(q[place + a]) * dq_wide[place + a];
        by_key += float(k[place + a]) * dk_wide[place + a];
        dq[place + a] = T(dq_wide[place + a]);
        dk[place + a] = T(dk_wide[place + a]);
    }
    by_query = simd_sum(by_query);
    by_key = simd_sum(by_key);
    if (lane == 0) {
        di[head * s + token] = by_key * input_slope(cell, i[head * s + token]);
        df[head * s + token] = by_query - by_key;
    }
}
// The chunk's differences, and the parts of both products, are there.
threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

if (index == 0) {
    for (uint a = t; a < dqk; a += threads) dn[head * dqk + a] = dc_last[head * size + ulong(dv) * dqk + a];
    if (t == 0) {
        over_start = 0.0f;
        for (uint other = 0; other < simds; ++other) over_start += parts[1][other];
        dm[head] = over_start;
    }
}
if (simd > 0) return;  // there is no barrier from here on
float flow = 0.0f;
for (uint other = 0; other < simds; ++other) flow += parts[0][other];
for (uint done = 0; done < end - first; done += 32) {
    const bool there = done + lane < end - first;
    const ulong place = head * s + end - 1 - done - lane;
    float sum = there ? df[place] : 0.0f;
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const float later = simd_shuffle_up(sum, distance);
        if (lane >= distance) sum += later;
    }
    sum += flow;
    if (there) df[place] = sum * forget_slope(cell, f[place]);
    flow = simd_shuffle(sum, ushort(31));
}
