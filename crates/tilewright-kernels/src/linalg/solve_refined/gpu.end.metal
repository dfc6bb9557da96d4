// One system a thread.
const uint item = thread_position_in_grid.x;
bool refined = true;
int most = 0;
for (uint c = 0; c < k; ++c) {
    refined = refined && state[item * k + c] == 1;
    most = max(most, count[item * k + c]);
}
const int failed = factors[item];
info[item] = failed != 0 ? failed : refined ? 0 : int(n) + 1;
iterations[item] = failed != 0 ? 0 : most;
