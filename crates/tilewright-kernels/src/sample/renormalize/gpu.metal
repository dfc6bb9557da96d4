// Four neighbours of a row a thread.
const uint row = threadgroup_position_in_grid.y;
const uint first = 4 * (threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x);
if (first >= n) return;
const device uint* own = bounds + size_t(row) * BOUND;
const Row settings = row_of(parameters + size_t(row) * WORDS, 0);
const uint low = own[0], high = own[1], flags = own[2], id = own[9];
const float centre = as_type<float>(own[3]), width = as_type<float>(own[4]);
const float typical_scale = as_type<float>(own[5]), typical_limit = as_type<float>(own[6]);
const float largest = as_type<float>(own[7]), mass = as_type<float>(own[8]);
const bool refused = flags & 2u, typical = flags & 1u, greedy = settings.has(GREEDY);
const float inverse = 1.0f / mass, octaves = log2(mass), ln2 = 0.6931472f;
const float nothing = refused ? NAN : WHAT == 0 ? 0.0f : -INFINITY;
const size_t at = size_t(row) * n + first;
float z[4];
if (VECTORS) {
    const vec<T, 4> four = ((const device vec<T, 4>*)x)[at / 4];
    z[0] = float(four.x);
    z[1] = float(four.y);
    z[2] = float(four.z);
    z[3] = float(four.w);
} else {
    for (uint c = 0; c < 4; ++c) z[c] = first + c < n ? float(x[at + c]) : -INFINITY;
}
float value[4];
for (uint c = 0; c < 4; ++c) {
    const uint key = key_of(z[c]);
    const float d = z[c] - largest;
    bool kept = key > 0 && key >= low && key <= high;
    if (typical) kept = kept && abs(fma(d > typical_limit ? d : typical_limit, typical_scale, -centre)) <= width;
    if (greedy) kept = first + c == id;
    value[c] = WHAT == 2 ? z[c] : WHAT == 1 ? (d * settings.scale - octaves) * ln2 : power_of(d, settings.scale, settings.limit).weight * inverse;
    if (greedy && WHAT < 2) value[c] = WHAT == 0 ? 1.0f : 0.0f;
    if (refused || !kept) value[c] = nothing;
}
if (VECTORS) {
    ((device float4*)out)[at / 4] = float4(value[0], value[1], value[2], value[3]);
} else {
    for (uint c = 0; c < 4; ++c) {
        if (first + c < n) out[at + c] = value[c];
    }
}
