// A group is 8 SIMD groups. Each makes two elements: of neighbouring rows of one map, or, of a pair of maps, of the same row of both.
// BEFORE: 0 nothing, 1 an RMS norm, 2 a norm of heads and a gate. AFTER: 0 nothing, 1 plus, 2 a pair, 3 a cap. WHOLE: rows are whole runs of 16 bytes.
// The first runs of the rows are under way before the vector is normed, which every group does by itself: weights are what there is to wait for.
constexpr int SIMDS = 8, AHEAD = 4, RUN = 16 / sizeof(T), TOGETHER = AFTER == 2 ? 1 : 2;
const int t = int(thread_position_in_threadgroup.x), lane = t % 32, simd = t / 32, runs = k / RUN;
threadgroup T* const staged = (threadgroup T*)memory;
threadgroup float parts[SIMDS];

// The map, and the first row in it.
int place = int(threadgroup_position_in_grid.x) * SIMDS + simd, rows = n0, before = 0;
const device T* w = w0;
const device T* bias = b0;
bool gate_map = false;
{
    const int count[6] = {n0, n1, n2, n3, m0, m1};
    bool found = false;
    for (int map = 0; map < 6; ++map) {
        if (map == 4) before = found ? before : 0;
        const int own = (count[map] + TOGETHER - 1) / TOGETHER;
        if (!found && place < own) {
            found = true;
            rows = count[map];
            gate_map = map >= 4;
            w = map == 0 ? w0 : map == 1 ? w1 : map == 2 ? w2 : map == 3 ? w3 : map == 4 ? g0 : g1;
            bias = map == 5 ? b1 : b0;
        }
        if (!found) {
            place -= own;
            before += count[map];
        }
    }
    if (!found) rows = 0;
}
const int row = place * TOGETHER;
const bool active = row < rows;
const device T* const upper = w + int64_t(active ? row : 0) * k;
const device T* const lower = (AFTER == 2 ? w1 : w) + int64_t(!active ? 0 : AFTER == 2 ? row : min(row + 1, rows - 1)) * k;

uint4 left[AHEAD], right[AHEAD];
const uint4 nothing = uint4(0u, 0u, 0u, 0u);
if (WHOLE && active) {
    for (int ahead = 0; ahead < AHEAD; ++ahead) {
        const int run = lane + ahead * 32;
        left[ahead] = run < runs ? reinterpret_cast<const device uint4*>(upper)[run] : nothing;
        right[ahead] = run < runs ? reinterpret_cast<const device uint4*>(lower)[run] : nothing;
    }
}

if (BEFORE == 1) {
    float square = 0.0f, own[RUN], weights[RUN];
    for (int first = t * RUN; first < k; first += SIMDS * 32 * RUN) {
        load_run(x + first, k - first, WHOLE, own);
        for (int i = 0; i < RUN; ++i) square += own[i] * own[i];
    }
    square = simd_sum(square);
    if (lane == 0) parts[simd] = square;
    threadgroup_barrier(mem_flags::mem_threadgroup);  // all parts of the mean square are there
    square = 0.0f;
    for (int other = 0; other < SIMDS; ++other) square += parts[other];
    const float scale = 1.0f / precise::sqrt(square / float(k) + eps);
    for (int first = t * RUN; first < k; first += SIMDS * 32 * RUN) {
        load_run(x + first, k - first, WHOLE, own);
        load_run(weight + first, k - first, WHOLE, weights);
        for (int i = 0; i < RUN && first + i < k; ++i) staged[first + i] = T(own[i] * scale * weights[i]);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the normed vector is there
}
if (BEFORE == 2) {
    const int length = k / heads;
    const bool wide = WHOLE && length % RUN == 0;
    for (int head = simd; head < heads; head += SIMDS) {
        float sum = 0.0f, square = 0.0f, own[RUN], weights[RUN], opened[RUN];
        const int start = head * length;
        for (int first = lane * RUN; first < length; first += 32 * RUN) {
            load_run(x + start + first, length - first, wide, own);
            for (int i = 0; i < RUN; ++i) sum += own[i];
        }
        const float mean = simd_sum(sum) / float(length);
        for (int first = lane * RUN; first < length; first += 32 * RUN) {
            load_run(x + start + first, length - first, wide, own);
            for (int i = 0; i < RUN && first + i < length; ++i) square += (own[i] - mean) * (own[i] - mean);
        }
        const float scale = 1.0f / precise::sqrt(simd_sum(square) / float(length) + eps);
        for (int first = lane * RUN; first < length; first += 32 * RUN) {
            load_run(x + start + first, length - first, wide, own);
            load_run(weight + start + first, length - first, wide, weights);
            load_run(gate + start + first, length - first, wide, opened);
            for (int i = 0; i < RUN && first + i < length; ++i) {
                const T normed = T((own[i] - mean) * scale * weights[i]);
                staged[start + first + i] = T(sigmoid(opened[i]) * float(normed));
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);  // the gated vector is there
}
if (!active) return;

float sums[2] = {0.0f, 0.0f};
if (WHOLE) {
    for (int first = 0; first < runs; first += 32 * AHEAD) {
        if (first > 0) {
            for (int ahead = 0; ahead < AHEAD; ++ahead) {
                const int run = first + lane + ahead * 32;
                left[ahead] = run < runs ? reinterpret_cast<const device uint4*>(upper)[run] : nothing;
                right[ahead] = run < runs ? reinterpret_cast<const device uint4*>(lower)[run] : nothing;
            }
        }
        for (int ahead = 0; ahead < AHEAD; ++ahead) {
            const int run = first + lane + ahead * 32;
            if (run < runs) {
                const uint4 vector = BEFORE == 0 ? reinterpret_cast<const device uint4*>(x)[run] : reinterpret_cast<threadgroup uint4*>(staged)[run];
                sums[0] = added(sums[0], left[ahead], vector, x);
                sums[1] = added(sums[1], right[ahead], vector, x);
            }
        }
    }
} else {
    for (int i = lane; i < k; i += 32) {
        const float element = BEFORE == 0 ? float(x[i]) : float(staged[i]);
        sums[0] += float(upper[i]) * element;
        sums[1] += float(lower[i]) * element;
    }
}
sums[0] = simd_sum(sums[0]);
sums[1] = simd_sum(sums[1]);
if (lane == 0) {
    if (AFTER == 2) {
        out[row] = O(sums[0] * sigmoid(sums[0]) * sums[1]);
    } else {
        for (int i = 0; i < 2 && row + i < rows; ++i) {
            float y = sums[i];
            if (gate_map) {
                gates[before + row + i] = y + float(bias[row + i]);
            } else {
                if (AFTER == 1) y += float(plus[before + row + i]);
                if (AFTER == 3) y = cap * precise::tanh(y / cap);
                out[before + row + i] = O(y);
            }
        }
    }
}
