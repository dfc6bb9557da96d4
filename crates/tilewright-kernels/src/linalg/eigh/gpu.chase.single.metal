// M matrices of up to 32 W rows a group: reflections make each tridiagonal, and implicit QL sweeps diagonal (LAPACK's SYTRD, ORGTR and STEQR).
using Room = Chase<W, M, S>;
constexpr int N = Room::N, PITCH = Room::PITCH, G = 32 / M;
constexpr int MATRIX = N * PITCH + 9 * N;
threadgroup S sums[2 * M * W];
threadgroup uint bounds[4 * M];
threadgroup uint more[2];
threadgroup uint failed[M];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const bool finds = t >= uint(M * N);
const uint slot = finds ? lane / G : t / N;
const uint item = threadgroup_position_in_grid.x * M + slot;
threadgroup S* q = (threadgroup S*)memory + slot * MATRIX;
threadgroup S* d = q + N * PITCH;
threadgroup S* e = d + N;
threadgroup S* taus = e + N;
threadgroup S* pairs = taus + N;  // [2][N]
threadgroup vec<S, 2>* rotations = (threadgroup vec<S, 2>*)(pairs + 2 * N);  // [2][N]
Room room = {sums, finds ? uint(N) : t % N, t / 32, 0};
const uint r = room.r;

S size = S(1);
bool numbers = true;
// Where a matrix is one SIMD group's, that waits for no other.
if (W > 1 || !finds) {
    S largest = S(0);
    if (!finds) {
        const device S* from = a + ulong(item) * n * n;
        const bool column = item < items && r < n;
        const device S* lane_from = column ? from + r : a;
        // Several are under way at once.
        for (uint top = 0; top < uint(N); top += 8) {
            S x[8];
#pragma unroll
            for (int k = 0; k < 8; ++k) x[k] = lane_from[(column && top + k < n ? top + k : 0) * n];
#pragma unroll
            for (int k = 0; k < 8; ++k) {
                const uint i = top + k;
                if (upper ? i > r : i < r) continue;
                const S y = column && i < n ? x[k] : S(0);
                q[r * PITCH + i] = y;
                q[i * PITCH + r] = y;
                largest = magnitude(y) > largest || y != y ? magnitude(y) : largest;
            }
        }
    }
    largest = room.largest(largest);
    // The difference of an infinity or NaN with itself is NaN.
    numbers = largest - largest == S(0);
    size = largest > S(0) && numbers ? largest : S(1);
    if (r < n) {
        for (uint c = 0; c < n; ++c) q[c * PITCH + r] = numbers ? q[c * PITCH + r] / size : S(0);
    }
    threadgroup S* vs = pairs;
    threadgroup S* ws = pairs + N;
    for (uint k = 0; k + 2 < n; ++k) {
        const bool below = r > k && r < n;
        const S x = below && r > k + 1 ? q[k * PITCH + r] : S(0);
        const S tail = room.total(x * x);
        S beta, tau;
        S v = room.reflection(q[k * PITCH + k + 1], tail, x, beta, tau);
        if (r == k + 1 && tau != S(0)) v = S(1);
        if (r < uint(N)) vs[r] = v;
        if (r > k + 1 && r < n) q[k * PITCH + r] = v;
        if (r == k) {
            e[k] = beta;
            taus[k] = tau;
        }
        // The vector is there before it is used.
        room.sync();
        const S p = below && tau != S(0) ? tau * room.product(q + r, PITCH, vs, k + 1, n) : S(0);
        const S common = room.total(p * v);
        const S w = p - tau / S(2) * common * v;
        if (r < uint(N)) ws[r] = w;
        // As is this one; the one before was read.
        room.sync();
        if (below && tau != S(0)) room.subtract(q + r, PITCH, ws, v, vs, w, k + 1, n);
    }
    // The last products are there before they are read.
    room.sync();
    if (r < n) d[r] = q[r * PITCH + r];
    if (r + 2 == n) e[r] = q[r * PITCH + r + 1];
    if (vectors) {
        room.template form<1>(q, taus, pairs, n, int(n) - 2);
        if (r < n) {
            for (uint i = 1; r == 0 && i < n; ++i) q[i] = S(0);
            q[r * PITCH] = S(r == 0);
        }
    }
}
if (finds && lane % G == 0) failed[slot] = 0;
// There is nothing beyond the last row, but it is read.
if (!finds && r >= n) {
    d[r] = S(0);
    e[r] = S(0);
}
if (!finds && r + 1 == n) e[r] = S(0);
// The tridiagonal matrices and the reflections' product are there before the one is diagonalised and the other turned.
threadgroup_barrier(mem_flags::mem_threadgroup);

uint start = 0, left = 30 * n;
for (uint round = 0;; ++round) {
    const uint now = round % 2;
    if (finds) {
        uint small[W] = {};
#pragma unroll
        for (int part = 0; part < N / G; ++part) {
            const uint i = part * G + lane % G;
            const S size = magnitude(d[i]) + magnitude(d[min(i + 1, uint(N - 1))]);
            const bool is = (i + 1 >= n) | (magnitude(e[i]) <= unit<S>() * max(S(1), size));
            const uint votes = votes_of_all(is) >> (lane / G * G);
            small[part * G / 32] |= (G == 32 ? votes : votes & ((1u << (G % 32)) - 1)) << (part * G % 32);
        }
        // All have read before anything changes.
        simdgroup_barrier(mem_flags::mem_threadgroup);
        start = first<W>(small, start, false);
        const bool active = start + 1 < n;
        const bool goes = active && left > 0;
        if (lane % G == 0) {
            const uint l = start, m = goes ? first<W>(small, start, true) : start;
            bounds[(now * M + slot) * 2] = l;
            bounds[(now * M + slot) * 2 + 1] = m;
            if (active && !goes) failed[slot] = 1;
            if (goes) {
                threadgroup vec<S, 2>* turns = rotations + now * N;
                // Wilkinson's shift.
                S g = (d[l + 1] - d[l]) / (S(2) * e[l]);
                S length = sqrt(g * g + S(1));
                S above = d[m], here = d[m - 1], off = e[m - 1];
                g = above - d[l] + e[l] / (g + (g < S(0) ? -length : length));
                S c = S(1), s = S(1), p = S(0);
                for (uint i = m; i-- > l;) {
                    const uint next = i > l ? i - 1 : l;
                    const S next_here = d[next], next_off = e[next];
                    const S b = c * off;
                    S length;
                    rotation(g, s * off, c, s, length);
                    if (i + 1 < m) e[i + 1] = length;
                    g = above - p;
                    const S change = (here - g) * s + S(2) * c * b;
                    p = s * change;
                    d[i + 1] = g + p;
                    g = c * change - b;
                    turns[i] = vec<S, 2>(c, s);
                    above = here;
                    here = next_here;
                    off = next_off;
                }
                d[l] = above - p;
                e[l] = g;
            }
        }
        left -= left > 0 ? 1 : 0;
        const bool any = votes_of_all(goes) != 0;
        if (lane == 0) more[now] = any ? 1 : 0;
    } else if (round > 0 && vectors) {
        const threadgroup uint* range = bounds + ((1 - now) * M + slot) * 2;
        room.template turn<true>(q, rotations + (1 - now) * N, range[0], range[1]);
    }
    // The sweep is there before it is turned by; what it overwrites next was read.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (more[now] == 0) break;
}

if (!finds && item < items && r < n) {
    const bool none = !numbers || failed[slot] != 0;
    const S value = d[r];
    // Its place in the order; equal ones by their columns.
    uint place = 0;
    for (uint j = 0; j < n; ++j) {
        const S other = d[j];
        place += (descending ? other > value : other < value) || (other == value && j < r) ? 1 : 0;
    }
    values[ulong(item) * n + place] = none ? S(NAN) : value * size;
    if (vectors) {
        device S* to = columns + ulong(item) * n * n + place;
        for (uint i = 0; i < n; ++i) to[i * n] = none ? S(NAN) : q[r * PITCH + i];
    }
    if (r == 0) info[item] = none ? 1 : 0;
}
