// The gradients by h and by o of sigma(o) h, given that by the product.
const uint at = thread_position_in_grid.x;
const ulong place = ulong(thread_position_in_grid.y) * width + at;
const float by = float(dy[place]), gate = float(o[place]), open = sigmoid(gate);
dh[place] = T(open * by);
do_out[place] = T(by * float(h[place]) * open * sigmoid(-gate));
