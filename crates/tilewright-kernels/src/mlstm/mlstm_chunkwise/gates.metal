// All weights of one sequence, as `mod.rs` writes them: c[head, t], mu[head, t + 1] with mu[head, 0] = m_0, both twofold, and m[head, t].
// A group takes a block of tokens, one a thread: a running sum of log sigma(f), then a running maximum; both go on from block to block.
const uint t = thread_position_in_threadgroup.x, lane = t % 32, simd = t / 32;
const uint threads = threads_per_threadgroup.x, simds = threads / 32;
const ulong head = threadgroup_position_in_grid.x;
const Cell cell = {sigmoid_gate, false, 0.0f, cap};
const device float* i_row = i + head * s;
const device float* f_row = f + head * s;
device float2* c_row = (device float2*)c + head * s;
device float2* mu_row = (device float2*)mu + head * (ulong(s) + 1);

threadgroup float2 sums[32], peaks[32];
float2 sum = float2(0.0f, 0.0f);
float2 peak = float2(resume ? m_first[head] : 0.0f, 0.0f);
if (t == 0) mu_row[0] = peak;

for (uint first = 0; first < s; first += threads) {
    const uint token = first + t;
    const bool there = token < s;
    // What is below takes everything away in f32, and -inf would leave nothing to subtract.
    float2 total = float2(there ? max(log_forget(cell, f_row[token]), -16384.0f) : 0.0f, 0.0f);
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const float2 before = float2(simd_shuffle_up(total.x, distance), simd_shuffle_up(total.y, distance));
        if (lane >= distance) total = twofold_sum(before, total);
    }
    if (lane == 31) sums[simd] = total;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' sums are there
    float2 preceding = sum;
    for (uint other = 0; other < simds; ++other) {
        if (other < simd) preceding = twofold_sum(preceding, sums[other]);
        sum = twofold_sum(sum, sums[other]);
    }
    total = twofold_sum(preceding, total);
    const float2 own = there ? twofold_sum(float2(log_input(cell, i_row[token]), 0.0f), -total) : float2(-INFINITY, 0.0f);
    float2 largest = own;
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const float2 before = float2(simd_shuffle_up(largest.x, distance), simd_shuffle_up(largest.y, distance));
        if (lane >= distance) largest = twofold_max(before, largest);
    }
    if (lane == 31) peaks[simd] = largest;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' maxima are there, and their sums have been read
    float2 highest = peak;
    for (uint other = 0; other < simds; ++other) {
        if (other < simd) highest = twofold_max(highest, peaks[other]);
        peak = twofold_max(peak, peaks[other]);
    }
    // A sigmoid gate has no stabiliser: m = total + mu is 0.
    largest = cell.sigmoid ? -total : twofold_max(highest, largest);
    if (there) {
        c_row[token] = own;
        mu_row[token + 1] = largest;
        m[head * s + token] = cell.sigmoid ? 0.0f : twofold_difference(total, -largest);
    }
    // The next block's maxima are written after its first barrier, which every thread reaches only when it has read these.
}
// total + mu of the last token, and m_0 where there is none.
if (t == 0) m_last[head] = cell.sigmoid && s > 0 ? 0.0f : twofold_difference(sum, -peak);
