// M matrices of up to 32 W rows a group: reflections make each tridiagonal, and implicit QL sweeps diagonal (LAPACK's SYTRD, ORGTR and STEQR).
using Room = Chase<W, M, S>;
constexpr int N = Room::N, PITCH = Room::PITCH, G = 32 / M;
// Sweeps at once, and rows of their rotations.
constexpr int SWEEPS = 4, ROWS = N + SWEEPS + Room::AHEAD;
constexpr int MATRIX = N * PITCH + 2 * N + 4 + 4 * SWEEPS * ROWS;
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
threadgroup S* d = q + N * PITCH + 4;  // [N], and one before it that a sweep reads
threadgroup S* e = d + N;
threadgroup S* taus = e + N;
threadgroup S* pairs = taus + N;  // [4][N]
// Where the reflections' were, which are done with.
threadgroup vec<S, 2>* rotations = (threadgroup vec<S, 2>*)taus;  // [2][ROWS][SWEEPS]
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
        for (uint top = 0; top < uint(N); top += 16) {
            S x[16];
#pragma unroll
            for (int k = 0; k < 16; ++k) x[k] = lane_from[(column && top + k < n ? top + k : 0) * n];
#pragma unroll
            for (int k = 0; k < 16; ++k) {
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
            e[k] = beta * lift<S>();
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
    if (r < n) d[r] = q[r * PITCH + r] * lift<S>();
    if (r + 2 == n) e[r] = q[r * PITCH + r + 1] * lift<S>();
    if (vectors) {
        room.template form<1>(q, taus, pairs, n, int(n) - 2);
        if (r < n) {
            for (uint i = 1; r == 0 && i < n; ++i) q[i] = S(0);
            q[r * PITCH] = S(r == 0);
        }
        for (uint i = r; !finds && i < uint(2 * ROWS * SWEEPS); i += N) rotations[i] = vec<S, 2>(S(0), S(0));
    }
}
if (finds && lane % G == 0) {
    failed[slot] = 0;
    d[-1] = S(0);
}
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
            const bool is = (i + 1 >= n) | (magnitude(e[i]) <= unit<S>() * max(lift<S>(), size));
            const uint votes = votes_of_all(is) >> (lane / G * G);
            small[part * G / 32] |= (G == 32 ? votes : votes & ((1u << (G % 32)) - 1)) << (part * G % 32);
        }
        // All have read before anything changes.
        simdgroup_barrier(mem_flags::mem_threadgroup);
        start = first<W>(small, start, false);
        const bool active = start + 1 < n;
        const bool goes = active && left > 0;
        const uint l = start, m = goes ? first<W>(small, start, true) : start;
        const uint sweep = lane % G;
        // Several at once.
        const uint sweeps = m > l + 1 ? SWEEPS : 1;
        if (sweep == 0) {
            bounds[(now * M + slot) * 2] = l;
            bounds[(now * M + slot) * 2 + 1] = m;
            if (active && !goes) failed[slot] = 1;
        }
        const bool mine = goes && sweep < sweeps;
        const int count = mine ? int(m - l) : 0;
        // The sweep's first step. Before it and after the last one a sweep turns nothing, nor does one that is none.
        threadgroup vec<S, 2>* turns = rotations + (now * ROWS + sweep % SWEEPS) * SWEEPS + sweep % SWEEPS;
        if (goes && sweeps == 1 && sweep < SWEEPS) {
            for (int t = -int(sweep); t <= SWEEPS - int(sweep); ++t) turns[t * SWEEPS] = vec<S, 2>(S(1), S(0));
        }
        S shift = S(0), g = S(0), c = S(1), s = S(1), p = S(0);
        if (mine) {
            // Wilkinson's shift, and the other eigenvalue of the two rows, in turn.
            const S low = d[l], high = d[l + 1], between = e[l];
            const S ratio = near_ratio(high - low, S(2) * between);
            const S square = ratio * ratio + S(1);
            const S length = square * near_inverse_root(square);
            const S less = near_ratio(between, ratio + (ratio < S(0) ? -length : length));
            shift = (sweep + 1) / 2 % 2 == 0 ? low - less : high + less;
        }
        // The first sweep takes up what lies in memory, and each of the others what the one before hands on, three rows behind it; what the last one
        // leaves goes to memory.
        const bool leads = mine && sweep == 0, ends = mine && sweep + 1 == sweeps;
        threadgroup S* own_d = d + m;
        threadgroup S* own_e = e + m;
        S above = leads ? own_d[0] : S(0), here = leads ? own_d[-1] : S(0), off = leads ? own_e[-1] : S(0);
        S next_here = leads ? own_d[-2] : S(0), next_off = leads ? own_e[-2] : S(0);
        // Of its steps, those before which it reads, and how many leave a rotation, or nothing in its place, and a row.
        const int reads = leads ? count - 2 : -3 * SWEEPS;
        const uint rows = mine ? uint(count + SWEEPS) : 0, writes = ends ? uint(count) : 0;
        int taken = -3 * int(sweep % SWEEPS);
        own_d -= taken;
        own_e -= taken;
        turns += taken * SWEEPS;
        const uint most = largest_of_all(goes ? m - l + 3 * sweeps - 2 : 0u);
#pragma unroll 1
        for (uint step = 0; step < most; step += 3) {
            // What the last one writes next was read.
            simdgroup_barrier(mem_flags::mem_threadgroup);
            if (taken == 0) {
                g = above - shift;
                c = S(1);
                s = S(1);
                p = S(0);
            }
            // Lanes without a row take part and keep nothing, so that none waits for another.
#pragma unroll
            for (int u = 0; u < 3; ++u) {
                const int at = taken + u;
                const bool takes = at < reads;
                const S read_d = takes ? own_d[-3 - u] : S(0), read_e = takes ? own_e[-3 - u] : S(0);
                const S b = c * off, before = g;
                S length;
                rotation(g, s * off, c, s, length);
                g = above - p;
                const S change = (here - g) * s + (S(2) * b) * c;
                p = s * change;
                // A step after its last one a sweep leaves the first row.
                const bool last = at >= count, turned = uint(at) < uint(count);
                const S left_d = last ? g : g + p, left_e = last ? before : length;
                g = c * change - b;
                if (uint(at + int(sweep)) < rows) turns[u * SWEEPS] = vec<S, 2>(turned ? c : S(1), turned ? s : S(0));
                if (ends && uint(at) <= writes) own_d[-u] = left_d;
                if (uint(at - 1) < writes) own_e[-u] = left_e;
                above = here;
                here = next_here;
                off = next_off;
                const S handed_d = of_lane_before(left_d), handed_e = of_lane_before(left_e);
                next_here = leads ? read_d : handed_d;
                next_off = leads ? read_e : handed_e;
            }
            taken += 3;
            own_d -= 3;
            own_e -= 3;
            turns += 3 * SWEEPS;
        }
        left -= left > 0 ? 1 : 0;
        const bool any = votes_of_all(goes) != 0;
        if (lane == 0) more[now] = any ? 1 : 0;
    } else if (round > 0 && vectors) {
        const threadgroup uint* range = bounds + ((1 - now) * M + slot) * 2;
        if (range[0] < range[1]) room.template turn_up<SWEEPS>(q, rotations + (1 - now) * ROWS * SWEEPS, range[0], range[1]);
    }
    // The sweep is there before it is turned by; what it overwrites next was read.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (more[now] == 0) break;
}

if (!finds && item < items && r < n) {
    const bool none = !numbers || failed[slot] != 0;
    const S value = d[r] * (S(1) / lift<S>());
    // Its place in the order; equal ones by their columns.
    uint place = 0;
    for (uint j = 0; j < n; ++j) {
        const S other = d[j] * (S(1) / lift<S>());
        place += (descending ? other > value : other < value) || (other == value && j < r) ? 1 : 0;
    }
    values[ulong(item) * n + place] = none ? S(NAN) : value * size;
    if (vectors) {
        device S* to = columns + ulong(item) * n * n + place;
        for (uint i = 0; i < n; ++i) to[i * n] = none ? S(NAN) : q[r * PITCH + i];
    }
    if (r == 0) info[item] = none ? 1 : 0;
}
