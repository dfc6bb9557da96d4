// One threadgroup a row: where the context ends, how far back a repetition may reach, the repetitions, what each token loses.
const uint lane = thread_position_in_threadgroup.x, lanes = threads_per_threadgroup.x;
const uint row = threadgroup_position_in_grid.x;
threadgroup ulong parts[32];
const device int* own = history + size_t(row) * entries;
const float multiplier = settings[4 * row], base = settings[4 * row + 1];
if (!(multiplier > 0.0f && base >= 1.0f)) return;
const float most = 16777216.0f;
const uint allowed = settings[4 * row + 2] > 0.0f ? uint(min(settings[4 * row + 2], most)) : 0u;
const uint window = settings[4 * row + 3] > 0.0f ? uint(min(settings[4 * row + 3], most)) : 0u;

// A hash table of the tokens that would go on, each with the longest of its repetitions.
device atomic_uint* names = table + size_t(row) * 2 * slots;
device atomic_uint* longest = names + slots;
for (uint slot = lane; slot < 2 * slots; slot += lanes) atomic_store_explicit(&names[slot], 0u, memory_order_relaxed);

ulong found = ~0ul;
for (uint i = lane; i < entries; i += lanes) {
    if (own[i] >= 0) found = earlier(found, ulong(entries - 1 - i));
}
found = first_of(found, parts, lane, lanes);
if (found == ~0ul) return;
const uint end = entries - uint(found);
found = ~0ul;
for (uint i = lane; i < end; i += lanes) {
    if (own[i] < 0) found = earlier(found, ulong(end - 1 - i));
}
found = first_of(found, parts, lane, lanes);
uint count = uint(earlier(found, ulong(end)));
if (window > 0) count = min(count, window);
const device int* last = own + end - 1;  // last[-i] is i places before the end

// The latest breaker, and where it ends.
found = ~0ul;
for (uint i = lane; i < count && found == ~0ul; i += lanes) {
    int tail = -1;
    for (uint at = 0; at < sequences; ++at) {
        const device int* breaker = breakers + size_t(at) * width;
        uint length = 0;
        while (length < width && breaker[length] >= 0 && length <= i && breaker[length] == last[-int(i - length)]) ++length;
        if (length > 0 && (length == width || breaker[length] < 0)) tail = max(tail, int(length) - 1);
    }
    if (tail >= 0) found = ulong(i) << 32 | ulong(i - uint(tail));
}
found = first_of(found, parts, lane, lanes);
const uint limit = found == ~0ul ? count : uint(found);
if (count <= allowed || limit < allowed) return;

// Beyond the longest finite power a length makes no difference.
uint top = 0;
float power = 1.0f;
while (base > 1.0f && top < count && power * base <= 3.4028235e38f) {
    power = power * base;
    ++top;
}
const uint cap = base > 1.0f ? min(limit, allowed + top) : min(limit, allowed);
for (uint k = 1 + lane; k < count; k += lanes) {
    uint length = 0;
    while (length < cap && length + k < count && last[-int(length)] == last[-int(length + k)]) ++length;
    const uint token = uint(last[1 - int(k)]);
    if (length < allowed || token >= n) continue;
    uint slot = token * 0x9e3779b1u & (slots - 1);
    while (true) {
        uint seen = 0;
        if (atomic_compare_exchange_weak_explicit(&names[slot], &seen, token + 1, memory_order_relaxed, memory_order_relaxed)) break;
        if (seen == token + 1) break;
        if (seen != 0) slot = (slot + 1) & (slots - 1);
    }
    atomic_fetch_max_explicit(&longest[slot], length, memory_order_relaxed);
}
threadgroup_barrier(mem_flags::mem_device);  // the table is complete
for (uint slot = lane; slot < slots; slot += lanes) {
    const uint name = atomic_load_explicit(&names[slot], memory_order_relaxed);
    if (name == 0) continue;
    bool exempt = false;
    for (uint at = 0; at < sequences; ++at) {
        const device int* breaker = breakers + size_t(at) * width;
        exempt = exempt || (breaker[0] == int(name - 1) && (width == 1 || breaker[1] < 0));
    }
    if (exempt) continue;
    const uint exponent = min(atomic_load_explicit(&longest[slot], memory_order_relaxed) - allowed, top);
    float factor = 1.0f;
    for (uint e = 0; e < exponent; ++e) factor = factor * base;
    const size_t at = size_t(row) * n + (name - 1);
    logits[at] = fma(-multiplier, factor, logits[at]);
}
