// M matrices of up to 32 W rows a group: reflections make each tridiagonal, and implicit QL sweeps diagonal (LAPACK's SYTRD, ORGTR and STEQR).
using Room = Chase<W, M, S>;
constexpr int N = Room::N, PITCH = Room::PITCH, G = 32 / M;
// Sweeps at once: as many as pay for what they need.
constexpr int SWEEPS = W > 2 ? 6 : 4;
constexpr int MATRIX = N * PITCH + (4 * SWEEPS + 2) * N + 8;
threadgroup S sums[2 * M * W];
threadgroup uint bounds[6 * M];
threadgroup uint more[2];
threadgroup uint failed[M];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const bool finds = t >= uint(M * N);
const uint slot = finds ? lane / G : t / N;
const uint item = threadgroup_position_in_grid.x * M + slot;
threadgroup S* q = (threadgroup S*)memory + slot * MATRIX;
threadgroup S* d = q + N * PITCH + 4;  // [N], and two before it that a sweep reads
threadgroup S* e = d + N;
threadgroup S* taus = e + N;
threadgroup S* pairs = taus + N;  // [2][N]
// Where the reflections' were, which are done with.
threadgroup vec<S, 2>* rotations = (threadgroup vec<S, 2>*)taus;  // [2][SWEEPS][N]
Room room = {sums, finds ? uint(N) : t % N, t / 32, 0};
const uint r = room.r;

S size = S(1);
bool numbers = true;
// Where a matrix is one SIMD group's, that waits for no other.
if (W > 1 || !finds) {
    S largest = S(0);
    if (!finds) {
        const device S* from = a + ulong(item) * n * n;
        for (uint i = 0; i < uint(N); ++i) {
            if (upper ? i > r : i < r) continue;
            const S x = item < items && max(i, r) < n ? from[i * n + r] : S(0);
            q[r * PITCH + i] = x;
            q[i * PITCH + r] = x;
            largest = magnitude(x) > largest || x != x ? magnitude(x) : largest;
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
    }
}
if (finds && lane % G == 0) {
    failed[slot] = 0;
    d[-1] = S(0);
    d[-2] = S(0);
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
            const bool is = i + 1 >= n || magnitude(e[i]) <= unit<S>() * max(lift<S>(), magnitude(d[i]) + magnitude(d[i + 1]));
            const uint votes = uint(ulong(simd_ballot(is))) >> (lane / G * G);
            small[part * G / 32] |= (G == 32 ? votes : votes & ((1u << (G % 32)) - 1)) << (part * G % 32);
        }
        // All have read before anything changes.
        simdgroup_barrier(mem_flags::mem_threadgroup);
        start = first<W>(small, start, false);
        const bool active = start + 1 < n;
        const bool goes = active && left > 0;
        const uint l = start, m = goes ? first<W>(small, start, true) : start;
        const uint sweep = lane % G;
        // Several at once, each three columns behind the one before.
        const uint sweeps = m > l + 1 ? SWEEPS : 1;
        if (sweep == 0) {
            bounds[(now * M + slot) * 3] = l;
            bounds[(now * M + slot) * 3 + 1] = m;
            bounds[(now * M + slot) * 3 + 2] = sweeps;
            if (active && !goes) failed[slot] = 1;
        }
        const bool mine = goes && sweep < sweeps;
        const uint count = mine ? m - l : 0;
        S shift = S(0), g = S(0), c = S(1), s = S(1), p = S(0), above = S(0), here = S(0), off = S(0);
        if (mine) {
            // Wilkinson's shift, and the other eigenvalue of the two rows, in turn.
            const S low = d[l], high = d[l + 1], between = e[l];
            const S ratio = near_ratio(high - low, S(2) * between);
            const S square = ratio * ratio + S(1);
            const S length = square * near_inverse_root(square);
            const S less = near_ratio(between, ratio + (ratio < S(0) ? -length : length));
            shift = (sweep + 1) / 2 % 2 == 0 ? low - less : high + less;
        }
        // Until it begins, a lane reads what nobody writes.
        threadgroup S* own_d = d;
        threadgroup S* own_e = d;
        threadgroup vec<S, 2>* turns = rotations + (now * SWEEPS + sweep % SWEEPS) * N;
        const uint most = simd_max(mine ? count + 3 * sweep : 0u);
        uint step = 0;
#pragma unroll 1
        for (uint ready = 0; ready < uint(SWEEPS); ++ready) {
            // What the sweep ahead wrote is there.
            simdgroup_barrier(mem_flags::mem_threadgroup);
            if (mine && sweep == ready) {
                own_d = d + m - 1;
                own_e = e + m - 1;
                turns += m - 1;
                above = own_d[1];
                here = own_d[0];
                off = own_e[0];
                g = above - shift;
                c = S(1);
                s = S(1);
                p = S(0);
            }
            const uint end = ready + 1 < uint(SWEEPS) ? min(most, 3 * ready + 3) : most;
            // Lanes without a row take part and keep nothing, so that none waits for another.
#pragma unroll 1
            for (; step < end; ++step) {
                // As above.
                simdgroup_barrier(mem_flags::mem_threadgroup);
                const uint taken = step - 3 * sweep;
                const bool goes_on = taken < count, ends = goes_on && taken + 1 == count;
                // Of what lies before the first row nothing comes.
                const S next_here = own_d[-1], next_off = own_e[-1];
                const S b = c * off;
                S length;
                rotation(g, s * off, c, s, length);
                if (goes_on && taken > 0) own_e[1] = length;
                g = above - p;
                const S change = (here - g) * s + (S(2) * b) * c;
                p = s * change;
                if (goes_on) own_d[1] = g + p;
                g = c * change - b;
                if (goes_on) *turns = vec<S, 2>(c, s);
                if (ends) own_d[0] = here - p;
                if (ends) own_e[0] = g;
                above = here;
                here = next_here;
                off = next_off;
                own_d -= goes_on ? 1 : 0;
                own_e -= goes_on ? 1 : 0;
                turns -= goes_on ? 1 : 0;
            }
        }
        left -= left > 0 ? 1 : 0;
        const bool any = simd_any(goes);
        if (lane == 0) more[now] = any ? 1 : 0;
    } else if (round > 0 && vectors) {
        const threadgroup uint* range = bounds + ((1 - now) * M + slot) * 3;
        const threadgroup vec<S, 2>* turns = rotations + (1 - now) * SWEEPS * N;
        if (range[2] == 1) {
            room.template turn<true>(q, turns, range[0], range[1]);
        } else {
            for (int two = 0; two < SWEEPS; two += 2, turns += 2 * N) {
                room.template turn<true>(q, turns, turns + N, range[0], range[1]);
            }
        }
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
