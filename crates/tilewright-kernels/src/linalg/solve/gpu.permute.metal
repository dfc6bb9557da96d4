// Row i of each right-hand side becomes row permutation[i].
const ulong e = thread_position_in_grid.x;
const ulong row = e / k;
out[e] = b[(row / n * n + ulong(permutation[row])) * k + e % k];
