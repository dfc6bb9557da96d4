// Each row: its moments, then its elements; all readings but the first come from a cache. RUNS: rows are whole runs of 16 bytes. KEPT: so many of them a lane
// hold the row, which is read once, its gates with it; 0 where that would be too many.
const Row row = row_of(wide, threadgroup_position_in_grid.x, threads_per_threadgroup.x, thread_position_in_threadgroup.x);
if (row.index >= rows) return;  // whole SIMD groups, and only where there is no barrier
threadgroup float scratch[8];
const size_t start = size_t(row.index) * n;
const size_t head = size_t(row.index % heads) * n;
if (KEPT > 0) {
    constexpr uint RUN = 16 / sizeof(T), HELD = KEPT > 0 ? KEPT : 1;
    float own[HELD][RUN], gates[HELD][RUN], weights[RUN], mean = 0.0f, square = 0.0f;
    for (uint r = 0; r < HELD; ++r) {
        const uint i = (row.lane + r * row.lanes) * RUN;
        for (uint e = 0; e < RUN; ++e) own[r][e] = gates[r][e] = 0.0f;
        if (i < n) load_run(x + start + i, int(RUN), true, own[r]);
        if (GATED && i < n) load_run(gate + start + i, int(RUN), true, gates[r]);
    }
    if (CENTRED) {
        float sum = 0.0f;
        for (uint r = 0; r < HELD; ++r) {
            for (uint e = 0; e < RUN; ++e) sum += own[r][e];
        }
        mean = total(sum, row, wide, scratch) / float(n);
    }
    for (uint r = 0; r < HELD; ++r) {
        const bool inside = (row.lane + r * row.lanes) * RUN < n;
        for (uint e = 0; e < RUN; ++e) square += inside ? (own[r][e] - mean) * (own[r][e] - mean) : 0.0f;
    }
    const float scale = 1.0f / precise::sqrt(total(square, row, wide, scratch) / float(n) + eps);
    for (uint r = 0; r < HELD; ++r) {
        const uint i = (row.lane + r * row.lanes) * RUN;
        if (i >= n) break;
        load_run(weight + head + i, int(RUN), true, weights);
        for (uint e = 0; e < RUN; ++e) {
            own[r][e] = (own[r][e] - mean) * scale * weights[e];
            if (GATED) own[r][e] *= opened(gates[r][e]);
        }
        store_run(out + start + i, own[r]);
    }
} else if (RUNS) {
    constexpr uint RUN = 16 / sizeof(T);
    float own[RUN], weights[RUN], gates[RUN], mean = 0.0f, square = 0.0f;
    if (CENTRED) {
        float sum = 0.0f;
        for (uint i = row.lane * RUN; i < n; i += row.lanes * RUN) {
            load_run(x + start + i, int(RUN), true, own);
            for (uint e = 0; e < RUN; ++e) sum += own[e];
        }
        mean = total(sum, row, wide, scratch) / float(n);
    }
    for (uint i = row.lane * RUN; i < n; i += row.lanes * RUN) {
        load_run(x + start + i, int(RUN), true, own);
        for (uint e = 0; e < RUN; ++e) square += (own[e] - mean) * (own[e] - mean);
    }
    const float scale = 1.0f / precise::sqrt(total(square, row, wide, scratch) / float(n) + eps);
    for (uint i = row.lane * RUN; i < n; i += row.lanes * RUN) {
        load_run(x + start + i, int(RUN), true, own);
        load_run(weight + head + i, int(RUN), true, weights);
        for (uint e = 0; e < RUN; ++e) own[e] = (own[e] - mean) * scale * weights[e];
        if (GATED) {
            load_run(gate + start + i, int(RUN), true, gates);
            for (uint e = 0; e < RUN; ++e) own[e] *= opened(gates[e]);
        }
        store_run(out + start + i, own);
    }
} else {
    const float2 moments = moments_of<CENTRED>(x + start, row, n, eps, wide, scratch);
    for (uint i = row.lane; i < n; i += row.lanes) {
        float y = (float(x[start + i]) - moments.x) * moments.y * float(weight[head + i]);
        if (GATED) y *= opened(float(gate[start + i]));
        out[start + i] = T(y);
    }
}
