// One matrix a thread. A comparison with NaN is false.
const uint item = thread_position_in_grid.x;
const S largest = size[item];
spd[item] = info[item] == 0 && apart[item] <= S(by) && largest > S(0) && largest - largest == S(0) ? 1 : 0;
