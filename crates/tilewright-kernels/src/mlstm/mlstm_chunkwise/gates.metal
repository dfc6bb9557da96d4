// All weights of one sequence, as `mod.rs` writes them: c[head, t], mu[head, t + 1] with mu[head, 0] = m_0, both twofold, and m[head, t].
// A group takes a span of tokens, a run of 2 a thread at a time: a running sum of log sigma(f), then a running maximum; both go on from pass to pass.
// TOTALS: of each span only its sum, and its maximum from a sum of 0, from which a group knows what precedes its own.
constexpr uint RUN = 2;
const uint t = thread_position_in_threadgroup.x, lane = t % 32, simd = t / 32;
const uint threads = threads_per_threadgroup.x, simds = threads / 32;
const ulong head = threadgroup_position_in_grid.x / spans;
const uint own_span = threadgroup_position_in_grid.x % spans;
const uint begin = own_span * span, end = min(s, begin + span);
const Cell cell = {sigmoid_gate, false, 0.0f, cap};
const device float* i_row = i + head * s;
const device float* f_row = f + head * s;
device float2* c_row = (device float2*)c + head * s;
device float2* mu_row = (device float2*)mu + head * (ulong(s) + 1);

threadgroup float2 sums[32], peaks[32];
float2 sum = float2(0.0f, 0.0f);
float2 peak = float2(TOTALS ? -INFINITY : resume ? m_first[head] : 0.0f, 0.0f);
if (!TOTALS && own_span == 0 && t == 0) mu_row[0] = peak;
const device float2* of_span = (const device float2*)totals + head * spans * 2;
for (uint before = 0; !TOTALS && before < own_span; ++before) {
    peak = twofold_max(peak, twofold_sum(of_span[before * 2 + 1], -sum));
    sum = twofold_sum(sum, of_span[before * 2]);
}

for (uint first = begin; first < end; first += threads * RUN) {
    const uint token = first + t * RUN;
    // The run's own running sums.
    float2 total[RUN];
    for (uint r = 0; r < RUN; ++r) {
        // What is below takes everything away in f32, and -inf would leave nothing to subtract.
        const float forget = token + r < end ? max(log_forget(cell, f_row[token + r]), -16384.0f) : 0.0f;
        total[r] = r == 0 ? float2(forget, 0.0f) : twofold_sum(total[r - 1], float2(forget, 0.0f));
    }
    // What precedes it in the SIMD group.
    float2 through = total[RUN - 1];
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const float2 before = float2(simd_shuffle_up(through.x, distance), simd_shuffle_up(through.y, distance));
        if (lane >= distance) through = twofold_sum(before, through);
    }
    if (lane == 31) sums[simd] = through;
    float2 preceding = float2(simd_shuffle_up(through.x, ushort(1)), simd_shuffle_up(through.y, ushort(1)));
    if (lane == 0) preceding = float2(0.0f, 0.0f);
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' sums are there
    // Every SIMD group sums up those before it by itself: lane by lane, as there are no more of them than lanes.
    float2 of_groups = lane < simds ? sums[lane] : float2(0.0f, 0.0f);
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const float2 before = float2(simd_shuffle_up(of_groups.x, distance), simd_shuffle_up(of_groups.y, distance));
        if (lane >= distance) of_groups = twofold_sum(before, of_groups);
    }
    const ushort own_place = ushort(max(simd, 1u) - 1), last_place = ushort(simds - 1);
    const float2 of_block = float2(simd_shuffle(of_groups.x, last_place), simd_shuffle(of_groups.y, last_place));
    const float2 up_to_here = float2(simd_shuffle(of_groups.x, own_place), simd_shuffle(of_groups.y, own_place));
    preceding = twofold_sum(simd == 0 ? sum : twofold_sum(sum, up_to_here), preceding);
    sum = twofold_sum(sum, of_block);

    float2 own[RUN], largest[RUN];
    for (uint r = 0; r < RUN; ++r) {
        total[r] = twofold_sum(preceding, total[r]);
        own[r] = float2(-INFINITY, 0.0f);
        if (token + r < end) own[r] = twofold_sum(float2(log_input(cell, i_row[token + r]), 0.0f), -total[r]);
        largest[r] = r == 0 ? own[r] : twofold_max(largest[r - 1], own[r]);
    }
    through = largest[RUN - 1];
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const float2 before = float2(simd_shuffle_up(through.x, distance), simd_shuffle_up(through.y, distance));
        if (lane >= distance) through = twofold_max(before, through);
    }
    if (lane == 31) peaks[simd] = through;
    float2 highest = float2(simd_shuffle_up(through.x, ushort(1)), simd_shuffle_up(through.y, ushort(1)));
    if (lane == 0) highest = peak;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all SIMD groups' maxima are there, and their sums have been read
    float2 of_maxima = lane < simds ? peaks[lane] : float2(-INFINITY, 0.0f);
    for (ushort distance = 1; distance < 32; distance *= 2) {
        const float2 before = float2(simd_shuffle_up(of_maxima.x, distance), simd_shuffle_up(of_maxima.y, distance));
        if (lane >= distance) of_maxima = twofold_max(before, of_maxima);
    }
    const float2 before_here = float2(simd_shuffle(of_maxima.x, own_place), simd_shuffle(of_maxima.y, own_place));
    const float2 in_block = float2(simd_shuffle(of_maxima.x, last_place), simd_shuffle(of_maxima.y, last_place));
    highest = twofold_max(highest, peak);
    if (simd > 0) highest = twofold_max(highest, before_here);
    peak = twofold_max(peak, in_block);
    for (uint r = 0; !TOTALS && r < RUN && token + r < end; ++r) {
        // A sigmoid gate has no stabiliser: m = total + mu is 0.
        const float2 reached = cell.sigmoid ? -total[r] : twofold_max(highest, largest[r]);
        c_row[token + r] = own[r];
        mu_row[token + r + 1] = reached;
        m[head * s + token + r] = cell.sigmoid ? 0.0f : twofold_difference(total[r], -reached);
    }
    // The next block's maxima are written after its first barrier, which every thread reaches only when it has read these.
}
if (TOTALS && t == 0) {
    device float2* of_own = (device float2*)totals_out + (head * spans + own_span) * 2;
    of_own[0] = sum;
    of_own[1] = peak;
}
// total + mu of the last token, and m_0 where there is none.
if (!TOTALS && own_span + 1 == spans && t == 0) m_last[head] = cell.sigmoid && s > 0 ? 0.0f : twofold_difference(sum, -peak);
