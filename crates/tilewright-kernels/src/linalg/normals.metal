// One number a thread: by Box and Muller, of 64 bits that its place and the seed are mixed to.
const uint e = thread_position_in_grid.x;
const ulong bits = mixed(mixed(seed + 0x9e3779b97f4a7c15ul) ^ (ulong(e) + 0xd1b54a32d192ed03ul));
// Neither 0 nor more than 1.
const float u = min((float(uint(bits >> 32)) + 0.5f) * 2.3283064e-10f, 1.0f);
const float turn = float(uint(bits)) * 2.3283064e-10f;
out[e] = S(sqrt(-2.0f * log(u)) * cos(6.2831853f * turn));
