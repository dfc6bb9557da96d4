// What the bodies for the matrix units are made of: bf16 in chunks of 64 tokens, in groups of 8 warps.
constexpr int TOKENS = 64, THREADS = 256;

__device__ inline unsigned shared_address(const void* at) { return unsigned(__cvta_generic_to_shared(at)); }

// Copies 16, 8 or 4 bytes to shared memory, or zeros where nothing is there.
template <int BYTES> __device__ inline void copy_async(unsigned to, const void* from, bool there) {
    const int bytes = there ? BYTES : 0;
    if (BYTES == 16) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from), "n"(BYTES), "r"(bytes) : "memory");
    }
}

__device__ inline void load_tiles(unsigned (&x)[4], unsigned from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(from)
                 : "memory");
}
__device__ inline void load_tiles_transposed(unsigned (&x)[4], unsigned from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(from)
                 : "memory");
}

// sum += a b, 16 x 8 of it, over 16 terms.
__device__ inline void multiply(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline unsigned load_word(unsigned from) {
    unsigned word;
    asm volatile("ld.shared.b32 %0, [%1];" : "=r"(word) : "r"(from) : "memory");
    return word;
}
__device__ inline void store_word(unsigned to, unsigned word) { asm volatile("st.shared.b32 [%0], %1;" ::"r"(to), "r"(word) : "memory"); }
__device__ inline void load_words(unsigned (&word)[4], unsigned from) {
    asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3]) : "r"(from) : "memory");
}
__device__ inline void store_words(unsigned to, const unsigned (&word)[4]) {
    asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3]) : "memory");
}

// Two bf16 in a word, the first in the low half.
__device__ inline unsigned packed(float low, float high) {
    unsigned word;
    asm volatile("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}
__device__ inline float low_of(unsigned word) { return __uint_as_float(word << 16); }
__device__ inline float high_of(unsigned word) { return __uint_as_float(word & 0xffff0000u); }

__device__ inline unsigned transposed(unsigned tile) {
    unsigned other;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(other) : "r"(tile));
    return other;
}

// Four tiles of 8 x 8 as products have them, by columns: a lane points to a column's place, as for `load_tiles_transposed`.
__device__ inline void store_tiles_transposed(unsigned to, const unsigned (&tile)[4]) {
#if __CUDA_ARCH__ >= 900
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(tile[0]), "r"(tile[1]), "r"(tile[2]), "r"(tile[3]) : "memory");
#else
    // Each lane's word of a tile belongs into the row that lane 8 tile + lane / 4 points to.
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int e = 0; e < 4; ++e) store_word(__shfl_sync(0xffffffffu, to, e * 8 + lane / 4) + lane % 4 * 4, transposed(tile[e]));
#endif
}

// Of sums of two floats.
__device__ inline float difference(float2 a, float2 b) { return (a.x - b.x) + (a.y - b.y); }

// A tile of 64 rows lies in panels of 64 columns.
constexpr int PANEL = TOKENS * 128;
// exp(x) as the matrix units' bodies weigh pairs of tokens: 0 below the least normal number.
__device__ inline float weight_of(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x * 1.44269504f));
    return y;
}

// The address of 8 neighbouring elements of a row. Neighbouring rows put the same unit of 16 bytes into other banks.
__device__ inline unsigned unit_of(unsigned base, int row, int unit) {
    return base + unit / 8 * PANEL + row * 128 + (((unit ^ row) & 7) << 4);
}

// Where a thread stands. Read anew in each phase of a chunk, so that no address made of it is kept over the others: registers are for C.
struct Place {
    int t, warp, lane, group, quad;
    // The row and the unit that a lane points to for four tiles of 8 x 8: of a left factor, and of two right ones.
    int row_left, unit_left, row_right, unit_right;
    __device__ inline Place() {
        asm volatile("mov.u32 %0, %%tid.x;" : "=r"(t));
        warp = t / 32, lane = t % 32, group = lane / 4, quad = lane % 4;
        row_left = lane % 16, unit_left = lane / 16;
        row_right = lane % 8 + lane / 16 * 8, unit_right = lane / 8 % 2;
    }
};

// 64 rows of a matrix into a stage, from row `first` of `valid` more; what lies beyond them or beyond its columns is zero.
template <int COLUMNS> __device__ inline void fetch_rows(unsigned to, const unsigned short* from, int first, int valid, int columns, int width) {
    // The rows of one pass over the threads: a multiple of 8, so that the swizzle stays.
    constexpr int UNITS = COLUMNS / 8, ROWS = THREADS / UNITS;
    const Place at;
    const int row = at.t / UNITS, unit = at.t % UNITS;
    to = unit_of(to, row, unit);
    from += long(first + row) * width + unit * 8;
    const bool inside = unit * 8 < columns;
#pragma unroll
    for (int pass = 0; pass < TOKENS / ROWS; ++pass) {
        copy_async<16>(to + pass * ROWS * 128, from, inside && row + pass * ROWS < valid);
        from += ROWS * width;
    }
}

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
// Hopper's matrix units: four warps give 64 rows of a product, 16 each, and read right factors, and left ones on request, where they lie in shared memory.
// They work beside the threads: sums and left factors belong to them from `begin` to `finish`.
constexpr bool WARPGROUPS = true;

// What a thread wrote to shared memory, seen by the matrix units after the barrier that follows.
__device__ inline void publish() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// Registers change hands here.
template <int TILES> __device__ inline void hand_over(float (&sum)[TILES][4]) {
#pragma unroll
    for (int e = 0; e < TILES * 4; ++e) asm volatile("" : "+f"(sum[e / 4][e % 4])::"memory");
}
template <int STEPS> __device__ inline void hand_over(unsigned (&left)[STEPS][4]) {
#pragma unroll
    for (int e = 0; e < STEPS * 4; ++e) asm volatile("" : "+r"(left[e / 4][e % 4])::"memory");
}
__device__ inline void begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Waits until at most this many commits are unfinished.
template <int LEFT> __device__ inline void finish() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory"); }

// Half of a description of a panel, as `unit_of` lays it: groups of 8 rows 1024 bytes apart, and where it starts, in units of 16 bytes.
// The other half says the same distance, and how units are exchanged within a group.
__device__ inline unsigned tile_at(unsigned at) { return 1024 / 16 << 16 | at / 16; }

// sum (+)= left right over 16 terms, of the 8 tiles of 8 columns from `first` on. BY_TERM: the rows of the right factor are terms, otherwise columns of the sum.
template <bool BY_TERM, int TILES> __device__ inline void multiply_64(float (&sum)[TILES][4], int first, const unsigned (&left)[4], unsigned right, bool more = true) {
    asm volatile("{\n.reg .pred more;\n.reg .b64 right;\nsetp.ne.b32 more, %37, 0;\nmov.b64 right, {%36, 0x40000040};\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, right, more, 1, 1, %38;\n}"
                 : "+f"(sum[first + 0][0]), "+f"(sum[first + 0][1]), "+f"(sum[first + 0][2]), "+f"(sum[first + 0][3]),
                   "+f"(sum[first + 1][0]), "+f"(sum[first + 1][1]), "+f"(sum[first + 1][2]), "+f"(sum[first + 1][3]),
                   "+f"(sum[first + 2][0]), "+f"(sum[first + 2][1]), "+f"(sum[first + 2][2]), "+f"(sum[first + 2][3]),
                   "+f"(sum[first + 3][0]), "+f"(sum[first + 3][1]), "+f"(sum[first + 3][2]), "+f"(sum[first + 3][3]),
                   "+f"(sum[first + 4][0]), "+f"(sum[first + 4][1]), "+f"(sum[first + 4][2]), "+f"(sum[first + 4][3]),
                   "+f"(sum[first + 5][0]), "+f"(sum[first + 5][1]), "+f"(sum[first + 5][2]), "+f"(sum[first + 5][3]),
                   "+f"(sum[first + 6][0]), "+f"(sum[first + 6][1]), "+f"(sum[first + 6][2]), "+f"(sum[first + 6][3]),
                   "+f"(sum[first + 7][0]), "+f"(sum[first + 7][1]), "+f"(sum[first + 7][2]), "+f"(sum[first + 7][3])
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right), "r"(int(more)), "n"(int(BY_TERM)));
}
// sum (+)= 64 rows of one matrix by 32 of another, over 16 columns.
__device__ inline void multiply_rows(float (&sum)[4][4], unsigned left, unsigned right, bool more) {
    asm volatile("{\n.reg .pred more;\n.reg .b64 left, right;\nsetp.ne.b32 more, %18, 0;\nmov.b64 left, {%16, 0x40000040};\nmov.b64 right, {%17, 0x40000040};\n"
                 "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, left, right, more, 1, 1, 0, 0;\n}"
                 : "+f"(sum[0][0]), "+f"(sum[0][1]), "+f"(sum[0][2]), "+f"(sum[0][3]), "+f"(sum[1][0]), "+f"(sum[1][1]), "+f"(sum[1][2]), "+f"(sum[1][3]), "+f"(sum[2][0]), "+f"(sum[2][1]), "+f"(sum[2][2]), "+f"(sum[2][3]), "+f"(sum[3][0]), "+f"(sum[3][1]), "+f"(sum[3][2]), "+f"(sum[3][3])
                 : "r"(left), "r"(right), "r"(int(more)));
}
#else
constexpr bool WARPGROUPS = false;
__device__ inline void publish() {}
template <int TILES> __device__ inline void hand_over(float (&)[TILES][4]) {}
__device__ inline void begin() {}
__device__ inline void commit() {}
template <int LEFT> __device__ inline void finish() {}
#endif
