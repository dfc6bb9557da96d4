// Reflections make symmetric matrices tridiagonal (LAPACK's SYTD2): `team` groups of 256 threads a matrix, which lies in their registers from its first
// reading on. Group g has the rows g, g + team, ..; of those a thread has RA, RG apart, and of each CB columns beside each other. A step is one exchange: each
// group tells the products of its rows with the step's vector, and their elements in the next column, and out of all of these each makes the next vector
// by itself. No group is more than a step ahead of another, so two rooms for packets are enough, and two more for the next matrix. `epoch` is another
// one each launch: what lies in the rooms from before it is for no step.
constexpr int THREADS = 256, CG = THREADS / RG, PARTS = CG / 32, ROWS = RG * RA;
constexpr int COLUMNS = CG * CB, OWN = (COLUMNS + THREADS - 1) / THREADS;
__shared__ S buffers[2][8];
__shared__ S partial[ROWS][PARTS + 1];
__shared__ S beside[ROWS];
__shared__ S heads[2];
const int t = threadIdx.x, lane = t % 32, warp = t / 32;
const int order = int(n), groups = int(team), room = int(side);
S* vectors = (S*)memory;        // [2][room]: that of this step and of the one before; zeros beyond a matrix
S* others = vectors + 2 * room;  // [room]: w, with which rows lose v wT + w vT
const int rank = blockIdx.x % groups, slot = blockIdx.x / groups, teams = gridDim.x / groups;
const int rg = t / CG, cg = t % CG, first = rank + groups * rg, pace = groups * RG;
// The last of a group's rows; a group without one has nothing to do.
const int last = order - 1 - rank < 0 ? -1 : rank + (order - 1 - rank) / groups * groups;
Sums<S> sums{&buffers[0][0]};
unsigned turn = 0;
for (int item = slot; item < int(items); item += teams, ++turn) {
    const S* from = a + size_t(item) * n * n;
    S tile[RA][CB];
#pragma unroll
    for (int r = 0; r < RA; ++r) {
#pragma unroll
        for (int c = 0; c < CB; ++c) {
            const int i = first + pace * r, j = cg * CB + c;
            tile[r][c] = i < order && j < order ? from[size_t(i) * n + j] : S(0);
        }
    }
    for (int e = t; e < 3 * room; e += THREADS) vectors[e] = S(0);
    if (rank == 0) {
        // There are reflections for whole blocks; those beyond the matrix are none.
        const size_t beyond = size_t(item) * pitch + n;
        for (int e = t; e < int(pitch - n) * order; e += THREADS) reflectors[beyond * n + e] = S(0);
        for (int e = t; e < int(pitch - n); e += THREADS) inverse_taus[beyond + e] = S(0);
    }
    // The zeros are there.
    __syncthreads();
    Packet<S>* packet = (Packet<S>*)packets + (size_t(slot) * 4 + turn % 2 * 2) * n;
    const unsigned long long before = (unsigned long long)epoch << 32 | turn * (n + 1);
    // Of the thread's own of all columns.
    S old[OWN], p[OWN], x[OWN];
#pragma unroll
    for (int q = 0; q < OWN; ++q) {
        const int j = t + THREADS * q;
        old[q] = p[q] = S(0);
        x[q] = j < order ? from[j] : S(0);
    }
    S tau = S(0);
    for (int k = 0; k <= last; ++k) {
        S* vector = vectors + k % 2 * room;
        const S* vector_before = vectors + (k + 1) % 2 * room;
        if (k > 0) {
            const Packet<S>* at = packet + size_t((k - 1) % 2) * n + t;
            bool all;
            do {
                all = true;
#pragma unroll
                for (int q = 0; q < OWN; ++q) {
                    const int j = t + THREADS * q;
                    if (j >= k && j < order) all = Packet<S>::get(at + THREADS * q, p[q], x[q], before + k) && all;
                }
            } while (!all);
        }
        S product = S(0);
#pragma unroll
        for (int q = 0; q < OWN; ++q) {
            const int j = t + THREADS * q;
            if (j < k || j >= order) p[q] = x[q] = old[q] = S(0);
            product += p[q] * old[q];
            if (j == k) heads[0] = p[q];
        }
        product = sums.total(product);
        // w = tau p - tau^2 / 2 (p v) v; v is 1 at its head, which is at k, or 0 throughout.
        const S share = tau * tau * product / S(2), one = tau != S(0) ? S(1) : S(0);
        const S at_head = tau * heads[0] - share * one;
        S tail = S(0), diagonal_here = S(0);
#pragma unroll
        for (int q = 0; q < OWN; ++q) {
            const int j = t + THREADS * q;
            const S w = tau * p[q] - share * old[q];
            x[q] -= one * w + at_head * old[q];
            if (j == k) diagonal_here = x[q];
            if (j == k + 1) heads[1] = x[q];
            if (j <= k + 1) x[q] = S(0);
            tail += x[q] * x[q];
            if (j < COLUMNS) others[j] = w;
        }
        tail = sums.total(tail);
        const S head = k + 1 < order ? heads[1] : S(0);
        S beta = head, scale = S(0);
        tau = S(0);
        if (tail > nothing<S>()) {
            const S over = over_root(head * head + tail), norm = (head * head + tail) * over, size = head < S(0) ? -head : head;
            beta = head > S(0) ? -norm : norm;
            tau = S(1) + size * over;
            scale = one_over(head - beta);
        }
#pragma unroll
        for (int q = 0; q < OWN; ++q) {
            const int j = t + THREADS * q;
            old[q] = j == k + 1 && tau != S(0) ? S(1) : x[q] * scale;
            if (j < COLUMNS) vector[j] = old[q];
        }
        if (k < last) {
            // Both vectors are there; what they overwrote was read before the sums.
            __syncthreads();
            S v[CB], v_before[CB], w[CB], of_rows[RA];
            beside_each_other(v, vector + cg * CB);
            beside_each_other(v_before, vector_before + cg * CB);
            beside_each_other(w, others + cg * CB);
#pragma unroll
            for (int r = 0; r < RA; ++r) {
                of_rows[r] = S(0);
                // Rows that are done are not touched.
                if (rank + groups * (RG * r + RG - 1) <= k) continue;
                const S v_row = vector_before[first + pace * r], w_row = others[first + pace * r];
                S even = S(0), odd = S(0);
#pragma unroll
                for (int c = 0; c < CB; ++c) {
                    tile[r][c] -= v_row * w[c] + w_row * v_before[c];
                    (c % 2 == 0 ? even : odd) += tile[r][c] * v[c];
                }
                of_rows[r] = even + odd;
            }
            if (cg == (k + 1) / CB) {
                const int part = (k + 1) % CB;
#pragma unroll
                for (int r = 0; r < RA; ++r) {
                    S next = tile[r][0];
#pragma unroll
                    for (int c = 1; c < CB; ++c) next = c == part ? tile[r][c] : next;
                    beside[rg + RG * r] = next;
                }
            }
            const S sum = warp_sums(of_rows);
            if (lane % (32 / RA) == 0) partial[rg + RG * (lane / (32 / RA))][warp % PARTS] = sum;
            // All parts are there.
            __syncthreads();
            if (t < ROWS) {
                const int i = rank + groups * t;
                if (i > k && i < order) {
                    S all = S(0);
#pragma unroll
                    for (int part = 0; part < PARTS; ++part) all += partial[t][part];
                    Packet<S>::put(packet + size_t(k % 2) * n + i, all, beside[t], before + k + 1);
                }
            }
        }
        // Nobody waits for these.
        if (k % groups == rank) {
#pragma unroll
            for (int q = 0; q < OWN; ++q) {
                const int j = t + THREADS * q;
                if (j < order) reflectors[(size_t(item) * pitch + k) * n + j] = old[q];
            }
            if (t == k % THREADS) diagonal[size_t(item) * n + k] = double(diagonal_here);
            if (t == 0) {
                subdiagonal[size_t(item) * n + k] = double(beta);
                inverse_taus[size_t(item) * pitch + k] = tau != S(0) ? S(1) / tau : S(0);
            }
        }
    }
    // The last vectors were read before the next matrix's are written.
    __syncthreads();
}
