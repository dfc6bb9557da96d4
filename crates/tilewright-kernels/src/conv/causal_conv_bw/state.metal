// A group for each token of the state, counted from the oldest: tap k of token u - k of the text saw token u.
const uint place = threadgroup_position_in_grid.x;
const uint text = place / (W - 1), u = place % (W - 1);
for (uint j = thread_position_in_threadgroup.x; j < d; j += threads_per_threadgroup.x) {
    float sum = 0.0f;
    for (uint k = 0; k <= u; ++k) {
        if (u - k < s) sum += float(weight[size_t(j) * W + k]) * float(dy[(size_t(text) * s + (u - k)) * d + j]);
    }
    dstate[size_t(place) * d + j] = T(sum);
}
