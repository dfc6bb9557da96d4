// A group for each id. What the table lacks is not read.
const uint place = threadgroup_position_in_grid.x;
const long id = ids[place];
const bool known = id >= 0 && id < long(n);
for (uint j = thread_position_in_threadgroup.x; j < d; j += threads_per_threadgroup.x) {
    out[size_t(place) * d + j] = known ? table[size_t(id) * d + j] : T(NAN);
}
