// The state that enters each segment of a sequence, from what the segments before it add: one element of C, or of n after them, a thread.
// In reverse the gradient that enters a segment at its end, from what the segments after it add.
const uint e = thread_position_in_grid.x;
const ulong head = thread_position_in_grid.y;
const bool of_n = e >= width;
const uint at = of_n ? e - width : e, extent = of_n ? keys : width;
const device float* added = of_n ? n_added : c_added;
device float* entering = of_n ? n_entering : c_entering;
const device float2* mu_row = (const device float2*)mu + head * (ulong(s) + 1);

float state = 0.0f;
if (of_n && resume_n) state = n_first[head * keys + at];
if (!of_n && resume) state = c_first[head * width + at];
for (uint step = 0; step < segments; ++step) {
    const uint segment = reverse ? segments - 1 - step : step;
    const ulong place = (head * segments + segment) * extent + at;
    entering[place] = state;
    const float keep = exp(twofold_difference(mu_row[segment * span], mu_row[min((segment + 1) * span, s)]));
    state = keep * state + added[place];
}
