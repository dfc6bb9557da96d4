// A group of 32 W threads a system, M systems a group where W is 1, with C right-hand sides. They are eliminated with the matrix; then the rows are
// solved from the last one up, each handed round.
using Group = Rows<W, S>;
constexpr int N = Group::N;
// Of vectors of four.
constexpr int MATRIX = N * (N + 1) + (N * C + 2 * C + 3) / 4 * 4;
threadgroup ulong claims[W];
threadgroup uint chosen[W];
threadgroup uint orders[M * N];
const uint slot = thread_index_in_threadgroup / N;
const uint t = thread_index_in_threadgroup % N;
const uint item = threadgroup_position_in_grid.x * M + slot;
if (M > 1 && item >= items) return;
threadgroup S* rows = (threadgroup S*)memory + slot * MATRIX;  // [N][N + 1], later [N][N]
threadgroup S* sides = rows + N * (N + 1);  // [N][C]
threadgroup S* solved = sides + N * C;  // [2][C]
const Group group = {rows, claims, chosen, orders + slot * N, t, t / 32, t % 32};
const device S* from = a + ulong(item) * n * n;

for (uint i = 0; i < uint(N); ++i) rows[i * (N + 1) + t] = i < n && t < n ? from[i * n + t] : S(0);
S z[C];
#pragma unroll
for (int c = 0; c < C; ++c) z[c] = t < n && uint(c) < k ? b[(ulong(item) * n + t) * k + c] : S(0);
// Rows are there before threads take theirs.
group.sync();
S y[N];
#pragma unroll
for (int j = 0; j < N; ++j) y[j] = rows[t * (N + 1) + j];
// They were taken before pivots' rows overwrite them.
group.sync();

bool left = t < n;
int failed = 0;
#pragma unroll
for (int part = 0; part < W; ++part) {
    for (uint within = 0; within < 32; ++within) {
        const uint step = 32 * part + within;
        if (step >= n) break;
        const bool mine = group.choose(y[0], left) == t;
        if (mine) {
            group.template give<N>(y, step);
#pragma unroll
            for (int c = 0; c < C; ++c) sides[step * C + c] = z[c];
        }
        left = left && !mine;
        // The row is there before it is used; the claims were read.
        group.sync();
        const S pivot = rows[step * N];
        if (failed == 0 && pivot == S(0)) failed = int(step) + 1;
        if (left) {
            // Below a zero pivot there are only zeros.
            const S factor = pivot == S(0) ? S(0) : y[0] / pivot;
            if (part == 0) group.template eliminate<N>(y, step, factor, S(0));
            else if (part == 1) group.template eliminate<(W > 1 ? N - 32 : N)>(y, step, factor, S(0));
            else if (part == 2) group.template eliminate<(W > 2 ? N - 64 : N)>(y, step, factor, S(0));
            else group.template eliminate<(W > 3 ? N - 96 : N)>(y, step, factor, S(0));
#pragma unroll
            for (int c = 0; c < C; ++c) z[c] -= factor * sides[step * C + c];
        }
    }
}

if (t < n) {
#pragma unroll
    for (int c = 0; c < C; ++c) z[c] = sides[t * C + c];
}
for (uint step = n; step-- > 0;) {
    threadgroup S* row = solved + step % 2 * C;
    if (t == step) {
        const S pivot = rows[step * N];
#pragma unroll
        for (int c = 0; c < C; ++c) {
            z[c] /= pivot;
            row[c] = z[c];
        }
    }
    // The row is there before it is used; two turns ago its memory was read.
    group.sync();
    if (t < step) {
        const S factor = rows[t * N + step - t];
#pragma unroll
        for (int c = 0; c < C; ++c) z[c] -= factor * row[c];
    }
}
if (t < n) {
#pragma unroll
    for (int c = 0; c < C; ++c) {
        if (uint(c) < k) x[(ulong(item) * n + t) * k + c] = failed != 0 ? S(NAN) : z[c];
    }
}
if (t == 0) info[item] = failed;
