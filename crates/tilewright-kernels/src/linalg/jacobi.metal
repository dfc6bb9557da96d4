// A group of threads a matrix: the singular values and vectors of r^T, for an upper triangular r in the first n of m rows; or, `symmetric`,
// where r^T r is a symmetric matrix over `scale` plus `shift`, its eigenvalues and eigenvectors. With TURNS both sides' vectors are found.
// Where HELD, all columns lie in registers and go from table to table through threadgroup memory, C rows at a time; otherwise they lie in `g`
// and `h`, and are fetched for each meeting.
constexpr int TABLES = SIMDS / PARTS;
threadgroup S sums[SIMDS * 128];
threadgroup S stage[SIMDS * 32 * C];
threadgroup S values[HELD ? TABLES * 32 : 1024];
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup;
const uint lane = t % 32, table = t / 32 / PARTS, top = t / 32 % PARTS * R;
const uint blocks = max((n + 31) / 32 * 2, 2u);
const uint wide = blocks * 16;
const uint half_lane = lane % 16;
const device S* from = triangle + ulong(item) * m * n;
device S* columns = g + (HELD ? ulong(0) : ulong(item) * wide * wide);
device S* turns = h + (HELD || !TURNS ? ulong(0) : ulong(item) * wide * wide);
device S* to_left = left + (TURNS ? ulong(item) * m * p : ulong(0));
device S* to_right = right + (vectors ? ulong(item) * n * n : ulong(0));

S largest = S(0);
for (uint e = t; e < n * n; e += SIMDS * 32) {
    const S x = e / n <= e % n ? magnitude(from[e]) : S(0);
    largest = x > largest || x != x ? x : largest;
}
largest = group_largest<SIMDS>(largest, sums, t);
// The difference of an infinity or NaN with itself is NaN.
bool right_numbers = largest - largest == S(0);
S over = largest > S(0) && right_numbers ? largest : S(1);
if (symmetric) {
    const S size = scale[item];
    right_numbers = right_numbers && size - size == S(0);
    over = S(1);
}

Jacobi<R, PARTS, SIMDS, TURNS, S> jacobi;
jacobi.sums = sums;
jacobi.lane = lane;
jacobi.simd = t / 32;
// Half of what a sum of n rounded products may be off by: less would turn roundings, more would leave them in clusters of values.
jacobi.tolerance = epsilon<S>() * sqrt(S(n)) / S(2);
jacobi.buffer = 0;

for (uint seat = table; seat < blocks / 2; seat += TABLES) {
    const Pair pair = pair_at(seat, 0, blocks);
    const uint column = (lane < 16 ? pair.low : pair.high) * 16 + half_lane;
#pragma unroll
    for (int i = 0; i < R; ++i) {
        const uint row = top + i;
        jacobi.x[i] = right_numbers && column < n && row < n && row >= column ? from[ulong(column) * n + row] / over : S(0);
        if (TURNS) jacobi.v[i] = S(row == column);
        if (!HELD && row < wide) {
            columns[ulong(row) * wide + column] = jacobi.x[i];
            if (TURNS) turns[ulong(row) * wide + column] = jacobi.v[i];
        }
    }
}
// Rounds among fewer columns than 32: lanes beyond them hold zeros.
const uint rounds = blocks > 2 || n > 16 ? 32 : n > 8 ? 16 : n > 4 ? 8 : n > 2 ? 4 : 2;

bool converged = false;
for (uint sweep = 0; sweep < limit && right_numbers && !converged; ++sweep) {
    // The sums of the sweep before were read, and the columns are there, before they change.
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    bool any = false;
    for (uint step = 0; step + 1 < blocks; ++step) {
        for (uint base = 0; base < blocks / 2; base += TABLES) {
            const uint seat = base + table;
            const bool seated = HELD || seat < blocks / 2;
            const Pair pair = pair_at(seated ? seat : 0, step, blocks);
            const uint column = (lane < 16 ? pair.low : pair.high) * 16 + half_lane;
            if (!HELD) {
#pragma unroll
                for (int i = 0; i < R; ++i) {
                    const bool there = seated && top + i < wide;
                    jacobi.x[i] = there ? columns[ulong(top + i) * wide + column] : S(0);
                    if (TURNS) jacobi.v[i] = there ? turns[ulong(top + i) * wide + column] : S(0);
                }
            }
            bool moved = false;
            for (uint r = step == 0 ? 1 : 16; r < rounds; ++r) moved = jacobi.meet(ushort(r)) || moved;
            any = any || moved;
            if (!HELD && seated) {
#pragma unroll
                for (int i = 0; i < R; ++i) {
                    if (top + i < wide) {
                        columns[ulong(top + i) * wide + column] = jacobi.x[i];
                        if (TURNS) turns[ulong(top + i) * wide + column] = jacobi.v[i];
                    }
                }
            }
        }
        if (HELD && TABLES > 1) {
            const uint next = step + 2 < blocks ? step + 1 : 0;
            const Pair pair = pair_at(table, next, blocks);
            const uint seat = seat_of(lane < 16 ? pair.low : pair.high, step, blocks) + half_lane;
            const uint part = t / 32 % PARTS;
#pragma unroll
            for (int first = 0; first < R; first += C) {
#pragma unroll
                for (int matrix = 0; matrix < (TURNS ? 2 : 1); ++matrix) {
                    // What was there was read before it changes.
                    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
                    for (int i = 0; i < C; ++i) {
                        stage[(part * C + i) * TABLES * 32 + table * 32 + lane] =
                            matrix == 0 ? jacobi.x[first + i] : jacobi.v[first + i];
                    }
                    // All columns are there before they are taken up.
                    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
                    for (int i = 0; i < C; ++i) {
                        const S x = stage[(part * C + i) * TABLES * 32 + seat];
                        if (matrix == 0) jacobi.x[first + i] = x;
                        else jacobi.v[first + i] = x;
                    }
                }
            }
        }
        if (!HELD) {
            // The columns of a step are there before the next one fetches them.
            threadgroup_barrier(mem_flags::mem_device);
        }
    }
    converged = group_largest<SIMDS>(S(any ? 1 : 0), sums, t) == S(0);
}

// The sums that told so were read before they change.
threadgroup_barrier(mem_flags::mem_threadgroup);
if (!converged) {
    if (t == 0) info[item] = 1;
    for (uint e = t; e < n; e += SIMDS * 32) spectrum[ulong(item) * n + e] = S(NAN);
    if (vectors) {
        for (uint e = t; e < n * n; e += SIMDS * 32) to_right[e] = S(NAN);
    }
    if (TURNS) {
        for (ulong e = t; e < ulong(m) * p; e += SIMDS * 32) to_left[e] = S(NAN);
    }
    return;
}

uint known = 0;
for (int pass = 0; pass < 2; ++pass) {
    for (uint base = 0; base < blocks / 2; base += TABLES) {
        const uint seat = base + table;
        const bool seated = HELD || seat < blocks / 2;
        const Pair pair = pair_at(seated ? seat : 0, 0, blocks);
        const uint column = (lane < 16 ? pair.low : pair.high) * 16 + half_lane;
        if (!HELD) {
#pragma unroll
            for (int i = 0; i < R; ++i) {
                const bool there = seated && top + i < wide;
                jacobi.x[i] = there ? columns[ulong(top + i) * wide + column] : S(0);
                if (TURNS) jacobi.v[i] = there ? turns[ulong(top + i) * wide + column] : S(0);
            }
        }
        S square = jacobi.square();
        square = square > nothing<S>() ? square : S(0);
        if (pass == 0) {
            if (seated && top == 0) values[column] = square;
            continue;
        }
        if (!seated || column >= n) continue;
        // Its place in the order; equal ones by their columns.
        uint place = 0;
        for (uint q = 0; q < n; ++q) {
            const S other = values[q];
            const bool before = ascending ? other < square : other > square;
            place += before || (other == square && q < column) ? 1 : 0;
        }
        if (top == 0) {
            spectrum[ulong(item) * n + place] = symmetric ? (square - shift[item]) * scale[item] : sqrt(square) * over;
        }
        if (vectors) {
            const S norm = square > S(0) ? sqrt(square) : S(1);
#pragma unroll
            for (int i = 0; i < R; ++i) {
                const S x = square > S(0) ? jacobi.x[i] / norm : S(0);
                if (top + i < n) to_right[symmetric ? ulong(top + i) * n + place : ulong(place) * n + top + i] = x;
            }
        }
        if (TURNS) {
#pragma unroll
            for (int i = 0; i < R; ++i) {
                if (top + i < n) to_left[ulong(top + i) * p + place] = jacobi.v[i];
            }
        }
    }
    // The lengths are there before they are ordered; then the vectors, before they are completed.
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
}
if (t == 0) info[item] = 0;
if (TURNS) {
    // Beside what was turned, the identity.
    for (ulong e = t; e < ulong(m) * p; e += SIMDS * 32) {
        const uint i = uint(e / p), j = uint(e % p);
        if (i >= n || j >= n) to_left[e] = S(i == j);
    }
}
if (vectors && !symmetric) {
    for (uint q = 0; q < n; ++q) known += values[q] > S(0) ? 1 : 0;
    complete<SIMDS>(to_right, n, known, stage, sums, t);
}
