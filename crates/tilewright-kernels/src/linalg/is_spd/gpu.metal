// One element a thread: of the mean with the transpose, less so much on the diagonal, and of the difference from it, over the largest element.
const uint e = thread_position_in_grid.x;
const uint item = e / (n * n), i = e / n % n, j = e % n;
const S over = size[item] == S(0) ? S(1) : size[item];
const S here = x[e] / over, across = x[(item * n + j) * n + i] / over;
shifted[e] = (here + across) / S(2) - (i == j ? S(by) : S(0));
apart[e] = here - across;
