// One element a thread, moved as a word of its size: 0, those up to the diagonal that lies `offset` above the main one; 1, those from it on; 2, a
// vector's elements on it.
const uint e = thread_position_in_grid.x;
const uint item = e / (m * n), i = e / n % m, j = e % n;
const device W* from = (const device W*)x;
device W* to = (device W*)out;
const int across = int(j) - int(i);
if (kind == 2) {
    const uint length = n - uint(offset < 0 ? -offset : offset);
    to[e] = across == offset ? from[item * length + min(i, j)] : W(0);
} else {
    to[e] = (kind == 0 ? across <= offset : across >= offset) ? from[e] : W(0);
}
