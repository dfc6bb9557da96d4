// M matrices of up to 32 W columns a group, n x n, or with `triangular` what is on and above the diagonal in the first n of m rows: reflections from
// both sides make each bidiagonal, and implicit QR sweeps diagonal (LAPACK's GEBRD, ORGBR and BDSQR).
using Room = Chase<W, M, S>;
constexpr int N = Room::N, PITCH = Room::PITCH, G = 32 / M;
constexpr int MATRIX = 2 * N * PITCH + 34 * N + 4;
threadgroup S sums[2 * M * W];
threadgroup uint bounds[6 * M];
threadgroup uint places[M * N];
threadgroup uint more[2];
threadgroup uint failed[M];
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32;
const bool finds = t >= uint(M * N);
const uint slot = finds ? lane / G : t / N;
const uint item = threadgroup_position_in_grid.x * M + slot;
threadgroup S* q = (threadgroup S*)memory + slot * MATRIX;
threadgroup S* v = q + N * PITCH;
threadgroup S* d = v + N * PITCH;
threadgroup S* e = d + N;
threadgroup S* taus = e + N + 4;  // [2][N]; before it is one that a sweep reads
threadgroup S* pairs = taus + 2 * N;  // [4][N]
// Where the reflections' were, which are done with.
threadgroup vec<S, 2>* rotations = (threadgroup vec<S, 2>*)taus;  // [2][4][2][N]
Room room = {sums, finds ? uint(N) : t % N, t / 32, 0};
const uint r = room.r;

S size = S(1);
bool numbers = true;
// Where a matrix is one SIMD group's, that waits for no other.
if (W > 1 || !finds) {
    S most = S(0);
    if (!finds) {
        const device S* from = a + ulong(item) * m * n;
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
                const S y = column && i < n && (i <= r || !triangular) ? x[k] : S(0);
                q[r * PITCH + i] = y;
                v[i * PITCH + r] = S(0);
                most = magnitude(y) > most || y != y ? magnitude(y) : most;
            }
        }
    }
    most = room.largest(most);
    // The difference of an infinity or NaN with itself is NaN.
    numbers = most - most == S(0);
    size = most > S(0) && numbers ? most : S(1);
    if (r < n) {
        for (uint i = 0; i < n; ++i) q[r * PITCH + i] = numbers ? q[r * PITCH + i] / size : S(0);
    }
    threadgroup S* vs = pairs;
    threadgroup S* ws = pairs + N;
    // Columns are there before their rows are read.
    room.sync();
    for (uint k = 0; k + 1 < n; ++k) {
        S beta, tau;
        // From the left: a thread a column.
        const bool below = r > k && r < n;
        const S x = below ? q[k * PITCH + r] : S(0);
        const S tail = room.total(x * x);
        const S down = room.reflection(q[k * PITCH + k], tail, x, beta, tau);
        if (r < uint(N)) vs[r] = r == k ? S(1) : down;
        if (below) q[k * PITCH + r] = down;
        if (r == k) {
            d[k] = beta * lift<S>();
            taus[k] = tau;
        }
        // The vector is there before it is used.
        room.sync();
        if (below && tau != S(0)) {
            room.subtract(q + r * PITCH, 1, vs, tau * room.product(q + r * PITCH, 1, vs, k, n), k, n);
        }
        if (k + 2 >= n) break;
        // From the right: a thread a row.
        const bool beyond = r > k + 1 && r < n;
        const S y = beyond ? q[r * PITCH + k] : S(0);
        const S rest = room.total(y * y);
        const S across = room.reflection(q[(k + 1) * PITCH + k], rest, y, beta, tau);
        if (r < uint(N)) {
            ws[r] = r == k + 1 ? S(1) : across;
            if (beyond) v[k * PITCH + r] = across;
        }
        if (r == k) {
            e[k] = beta * lift<S>();
            taus[N + k] = tau;
        }
        // As is this one, and the columns.
        room.sync();
        if (below && tau != S(0)) {
            room.subtract(q + r, PITCH, ws, tau * room.product(q + r, PITCH, ws, k + 1, n), k + 1, n);
        }
    }
    // The last products are there before they are read.
    room.sync();
    if (r + 1 == n) d[r] = q[r * PITCH + r] * lift<S>();
    if (r + 2 == n) e[r] = q[(r + 1) * PITCH + r] * lift<S>();
    if (vectors) {
        room.template form<0>(q, taus, pairs, n, int(n) - 1);
        room.template form<1>(v, taus + N, pairs, n, int(n) - 2);
        if (r < n) {
            for (uint i = 1; r == 0 && i < n; ++i) v[i] = S(0);
            v[r * PITCH] = S(r == 0);
        }
    }
}
if (finds && lane % G == 0) {
    failed[slot] = 0;
    e[N] = S(0);
}
// There is nothing beyond the last row, but it is read.
if (!finds && r >= n) {
    d[r] = S(0);
    e[r] = S(0);
}
if (!finds && r + 1 == n) e[r] = S(0);
// The bidiagonal matrices and the reflections' products are there before the ones are diagonalised and the others turned.
threadgroup_barrier(mem_flags::mem_threadgroup);

uint start = 0, left = 30 * n;
for (uint round = 0;; ++round) {
    const uint now = round % 2;
    if (finds) {
        uint small[W] = {}, zero[W] = {};
#pragma unroll
        for (int part = 0; part < N / G; ++part) {
            const uint i = part * G + lane % G;
            const S own = magnitude(d[i]);
            const S size = own + magnitude(d[min(i + 1, uint(N - 1))]);
            const bool is = (i + 1 >= n) | (magnitude(e[i]) <= unit<S>() * max(lift<S>(), size));
            const uint votes = votes_of_all(is) >> (lane / G * G);
            const uint zeros = votes_of_all(own <= unit<S>() * lift<S>()) >> (lane / G * G);
            const uint field = G == 32 ? ~0u : (1u << (G % 32)) - 1;
            small[part * G / 32] |= (votes & field) << (part * G % 32);
            zero[part * G / 32] |= (zeros & field) << (part * G % 32);
        }
        // All have read before anything changes.
        simdgroup_barrier(mem_flags::mem_threadgroup);
        start = first<W>(small, start, false);
        const bool active = start + 1 < n;
        const bool goes = active && left > 0;
        const uint l = start, h = goes ? first<W>(small, start, true) : start;
        const uint sweep = lane % G;
        S shift = S(0), larger = S(0);
        // With a zero among them the sweep without a shift splits it off.
        if (goes && sweep < 4 && first<W>(zero, l, true) > h) {
            // The singular values of the last two rows and columns.
            const S f = magnitude(d[h - 1]), g = magnitude(e[h - 1]), w = magnitude(d[h]);
            const S least = min(f, w), most = max(f, w);
            const S as = S(1) + near_ratio(least, most), at = near_ratio(most - least, most);
            if (g < most) {
                const S ratio = near_ratio(g, most), au = ratio * ratio;
                const S x = as * as + au, y = at * at + au;
                const S half = (x * near_inverse_root(x) + y * near_inverse_root(y)) / S(2);
                shift = near_ratio(least, half);
                larger = most * half;
            } else {
                const S au = near_ratio(most, g);
                const S x = S(1) + (as * au) * (as * au), y = S(1) + (at * au) * (at * au);
                const S both = x * near_inverse_root(x) + y * near_inverse_root(y);
                shift = near_ratio(least * au * S(2), both);
                larger = g * both / S(2);
            }
            const S part = near_ratio(shift, d[l]);
            if (part * part < unit<S>()) shift = S(0);
        }
        const bool shifted = shift != S(0);
        // Four sweeps at once, each three columns behind the one before, with both values twice.
        const uint sweeps = shifted && h > l + 1 ? 4 : 1;
        if (sweep == 0) {
            bounds[(now * M + slot) * 3] = l;
            bounds[(now * M + slot) * 3 + 1] = h;
            bounds[(now * M + slot) * 3 + 2] = sweeps;
            if (active && !goes) failed[slot] = 1;
        }
        threadgroup vec<S, 2>* to_v = rotations + (now * 4 + sweep % 4) * 2 * N + l;
        threadgroup vec<S, 2>* to_u = to_v + N;
        // Until it begins, a lane reads what nobody writes.
        threadgroup S* own_d = e + N - 1;
        threadgroup S* own_e = e + N - 1;
        const uint count = goes && sweep < sweeps && shifted ? h - l : 0;
        if (sweep == 1 || sweep == 2) shift = larger;
        const uint most = largest_of_all(count > 0 ? count + 3 * sweep : 0u);
        S here = S(0), off = S(0), f = S(0), g = S(0), length;
        uint step = 0;
#pragma unroll 1
        for (uint ready = 0; ready < 4; ++ready) {
            // What the sweep ahead wrote is there.
            simdgroup_barrier(mem_flags::mem_threadgroup);
            if (count > 0 && sweep == ready) {
                own_d = d + l;
                own_e = e + l;
                here = own_d[0];
                off = own_e[0];
                const S size = magnitude(here);
                const S ratio = near_ratio(min(size, shift), max(size, shift));
                f = (size - shift) * (S(1) + ratio);
                g = (here < S(0) ? -off : off) * (size < shift ? ratio : S(1));
            }
            const uint end = ready < 3 ? min(most, 3 * ready + 3) : most;
            // Lanes without a row take part and keep nothing, so that none waits for another.
            for (; step < end; ++step) {
                // As above.
                simdgroup_barrier(mem_flags::mem_threadgroup);
                const uint taken = step - 3 * sweep;
                const bool goes_on = taken < count, ends = goes_on && taken + 1 == count;
                S below = own_d[1], c, s;
                const S next = own_e[1];
                rotation(f, g, c, s, length);
                if (goes_on) *to_v = vec<S, 2>(c, s);
                if (goes_on && taken > 0) own_e[-1] = length;
                f = c * here + s * off;
                off = c * off - s * here;
                g = s * below;
                below = c * below;
                rotation(f, g, c, s, length);
                if (goes_on) *to_u = vec<S, 2>(c, s);
                if (goes_on) own_d[0] = length;
                f = c * off + s * below;
                here = c * below - s * off;
                g = s * next;
                off = c * next;
                if (ends) own_d[1] = here;
                if (ends) own_e[0] = f;
                own_d += goes_on ? 1 : 0;
                own_e += goes_on ? 1 : 0;
                to_v += goes_on ? 1 : 0;
                to_u += goes_on ? 1 : 0;
            }
        }
        if (goes && sweep == 0 && !shifted) {
            here = d[l];
            off = e[l];
            S c = S(1), before = S(1), before_s = S(0);
            for (uint i = l; i < h; ++i) {
                const S below = d[i + 1], next = e[i + 1 < h ? i + 1 : i];
                S s, other;
                rotation(here * c, off, c, s, length);
                to_v[i - l] = vec<S, 2>(c, s);
                if (i > l) e[i - 1] = before_s * length;
                rotation(before * length, below * s, before, before_s, other);
                to_u[i - l] = vec<S, 2>(before, before_s);
                d[i] = other;
                here = below;
                off = next;
            }
            const S last = here * c;
            d[h] = last * before;
            e[h - 1] = last * before_s;
        }
        left -= left > 0 ? 1 : 0;
        const bool any = votes_of_all(goes) != 0;
        if (lane == 0) more[now] = any ? 1 : 0;
    } else if (round > 0 && vectors) {
        const threadgroup uint* range = bounds + ((1 - now) * M + slot) * 3;
        const threadgroup vec<S, 2>* turns = rotations + (1 - now) * 8 * N;
        if (range[2] == 1) {
            room.turn(v, turns, range[0], range[1]);
            room.turn(q, turns + N, range[0], range[1]);
        } else {
            for (uint two = 0; two < 2; ++two, turns += 4 * N) {
                room.turn(v, turns, turns + 2 * N, range[0], range[1]);
                room.turn(q, turns + N, turns + 3 * N, range[0], range[1]);
            }
        }
    }
    // The sweep is there before it is turned by; what it overwrites next was read.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (more[now] == 0) break;
}

const bool there = !finds && item < items;
bool none = !numbers || failed[slot] != 0;
if (there && r < n) {
    const S value = magnitude(d[r]) * (S(1) / lift<S>());
    // Its place in the order; equal ones by their columns.
    uint place = 0;
    for (uint j = 0; j < n; ++j) {
        const S other = magnitude(d[j]) * (S(1) / lift<S>());
        place += other > value || (other == value && j < r) ? 1 : 0;
    }
    places[slot * N + r] = place;
    spectrum[ulong(item) * n + place] = none ? S(NAN) : value * size;
    if (r == 0) info[item] = none ? 1 : 0;
}
// All places are there before rows and columns are written to them.
threadgroup_barrier(mem_flags::mem_threadgroup);
if (there && vectors) {
    device S* to_left = left_vectors + ulong(item) * m * p;
    device S* to_right = right_vectors + ulong(item) * n * n;
    if (r < n) {
        const uint place = places[slot * N + r];
        for (uint i = 0; i < n; ++i) to_left[i * p + place] = none ? S(NAN) : q[r * PITCH + i];
        for (uint j = 0; j < n; ++j) {
            const S x = d[j] < S(0) ? -v[j * PITCH + r] : v[j * PITCH + r];
            to_right[places[slot * N + j] * n + r] = none ? S(NAN) : x;
        }
    }
    // Beside what was turned, the identity.
    for (ulong at = r; m > n && at < ulong(m) * p; at += N) {
        const uint i = uint(at / p), j = uint(at % p);
        if (i >= n || j >= n) to_left[at] = none ? S(NAN) : S(i == j);
    }
}
