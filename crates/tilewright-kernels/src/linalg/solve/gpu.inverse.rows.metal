// A group of 32 W threads a matrix. Elimination leaves u and, in the places that its columns leave, the inverse of l; then the rows of u x = that
// inverse are solved from the last one up, each handed round.
using Group = Rows<W, S>;
constexpr int N = Group::N;
threadgroup ulong claims[W];
threadgroup uint chosen[W];
threadgroup uint order[N];
const uint t = thread_index_in_threadgroup;
const uint item = threadgroup_position_in_grid.x;
threadgroup S* rows = (threadgroup S*)memory;  // [N][N + 1], later [N][N]
threadgroup S* solved = rows + N * (N + 1);  // [2][N]
const Group group = {rows, claims, chosen, order, t, t / 32, t % 32};
const device S* from = a + ulong(item) * n * n;
device S* to = x + ulong(item) * n * n;

for (uint i = 0; i < uint(N); ++i) rows[i * (N + 1) + t] = i < n && t < n ? from[i * n + t] : S(0);
// Rows are there before threads take theirs.
group.sync();
S y[N];
#pragma unroll
for (int j = 0; j < N; ++j) y[j] = rows[t * (N + 1) + j];
// They were taken before pivots' rows overwrite them.
group.sync();

bool left = t < n;
int failed = 0;
for (uint k = 0; k < n; ++k) {
    const bool mine = group.choose(y[0], left) == t;
    if (mine) group.template give<N>(y, k);
    left = left && !mine;
    // The row is there before it is used; the claims were read.
    group.sync();
    const S pivot = rows[k * N];
    if (failed == 0 && pivot == S(0)) failed = int(k) + 1;
    // Below a zero pivot there are only zeros.
    const S factor = pivot == S(0) ? S(0) : y[0] / pivot;
    if (left) group.template eliminate<N>(y, k, factor, -factor);
}

#pragma unroll
for (int j = 0; j < N; ++j) y[j] = uint(j) < t && t < n ? rows[t * N + N - t + j] : S(uint(j) == t);
const uint column = t < n ? order[t] : 0;
for (uint k = n; k-- > 0;) {
    threadgroup vec<S, 4>* row = (threadgroup vec<S, 4>*)(solved + k % 2 * N);
    if (t == k) {
        const S over = S(1) / rows[k * N];
#pragma unroll
        for (int c = 0; c < N / 4; ++c) row[c] = vec<S, 4>(y[4 * c], y[4 * c + 1], y[4 * c + 2], y[4 * c + 3]) * over;
    }
    // The row is there before it is used; two turns ago its memory was read.
    group.sync();
    if (t < k) {
        const S factor = rows[t * N + k - t];
#pragma unroll
        for (int c = 0; c < N / 4; ++c) {
            const vec<S, 4> others = row[c];
#pragma unroll
            for (int e = 0; e < 4; ++e) y[4 * c + e] -= factor * others[e];
        }
    }
    // What belongs to pivot t is the column of the identity that had its one in that pivot's row.
    if (t < n) to[k * n + column] = failed != 0 ? S(NAN) : ((threadgroup S*)row)[t];
}
if (t == 0) info[item] = failed;
