// C by columns, and n as one more: [b nh, dv + 1, dqk] of [b nh, dqk, dv] and [b nh, dqk]; zeros for what is not given.
const uint a = thread_position_in_grid.x, row = thread_position_in_grid.y;
const ulong head = thread_position_in_grid.z;
float x = 0.0f;
if (row < dv && has_c) x = c[(head * dqk + a) * dv + row];
if (row == dv && has_n) x = n[head * dqk + a];
out[(head * (dv + 1) + row) * dqk + a] = x;
