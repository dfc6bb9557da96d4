// Column p of q, one element a thread, goes where the permutation says, unless the given column there is of length 1.
const uint e = thread_position_in_grid.x;
const uint row = e / m, p = e % m, item = row / m;
const uint column = p < k ? uint(permutation[item * k + p]) : p;
const S diagonal = p < k ? r[(item * m + p) * k + p] : S(0);
const bool known = diagonal > S(0.5f) || diagonal < S(-0.5f);
out[row * m + column] = known ? given[row * k + column] : q[e];
