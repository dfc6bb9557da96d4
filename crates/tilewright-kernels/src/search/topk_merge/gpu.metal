// One thread a candidate, which it writes to its place in the result; and after those one thread a place, which fills it where no candidate does.
const uint each = parts * kk + k;
const uint thread_number = threadgroup_position_in_grid.x * threads_per_threadgroup.x + thread_position_in_threadgroup.x;
const uint query = thread_number / each, at = thread_number % each;
if (query >= b) return;
if (at >= parts * kk) {
    uint candidates = 0;
    for (uint part = 0; part < parts; ++part) {
        const size_t first = (size_t(part) * b + query) * kk;
        const Part one{distances + first, ids + first, kk};
        candidates += one.count();
    }
    const uint place = at - parts * kk;
    if (place >= candidates) {
        nearest[size_t(query) * k + place] = INFINITY;
        found[size_t(query) * k + place] = -1;
    }
    return;
}
const uint own = at / kk, place = at % kk;
const size_t mine = (size_t(own) * b + query) * kk + place;
const int64_t id = ids[mine];
if (id < 0) return;
const uint key = distances[mine] != distances[mine] ? ~0u : key_of(distances[mine]);
uint before = place;
for (uint part = 0; part < parts; ++part) {
    const size_t first = (size_t(part) * b + query) * kk;
    const Part other{distances + first, ids + first, kk};
    if (part != own) before += other.before(key, id, part < own);
}
if (before >= k) return;
nearest[size_t(query) * k + before] = distances[mine];
found[size_t(query) * k + before] = id;
