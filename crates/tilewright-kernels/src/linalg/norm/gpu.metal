// A group a piece of a row.
constexpr int COUNT = 0, SUM = 1, ROOT = 2, POWER = 3, SMALLEST = 5;  // 4: the largest
threadgroup S parts[SIMDS];
const uint index = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const uint first = index % pieces * piece;
const uint count = min(piece, n - first);
const device S* from = x + ulong(index / pieces) * n + first;
S result = S(0);
if (FOLD == COUNT || FOLD == SUM) {
    for (uint i = t; i < count; i += SIMDS * 32) result += FOLD == COUNT ? S(from[i] != S(0)) : magnitude(from[i]);
    result = group_sum<SIMDS, S>(result, parts, t);
} else {
    constexpr bool LARGER = FOLD != SMALLEST;
    // A sum of two floats.
    const S exponent = S(power) + S(power_low);
    const bool least = FOLD == POWER && power < 0.0f;
    S scale = magnitude(from[0]);
    for (uint i = t; i < count; i += SIMDS * 32) {
        const S size = magnitude(from[i]);
        scale = least ? best<false, S>(scale, size) : best<LARGER, S>(scale, size);
    }
    scale = least ? group_best<false, SIMDS, S>(scale, parts, t) : group_best<LARGER, SIMDS, S>(scale, parts, t);
    result = scale;
    // The difference of an infinity or NaN with itself is NaN.
    if ((FOLD == ROOT || FOLD == POWER) && scale > S(0) && scale - scale == S(0)) {
        S sum = S(0);
        for (uint i = t; i < count; i += SIMDS * 32) {
            const S part = magnitude(from[i]) / scale;
            sum += FOLD == ROOT ? part * part : pow(part, exponent);
        }
        sum = group_sum<SIMDS, S>(sum, parts, t);
        result = scale * (FOLD == ROOT ? sqrt(sum) : pow(sum, S(1) / exponent));
    }
}
if (t == 0) out[index] = result;
