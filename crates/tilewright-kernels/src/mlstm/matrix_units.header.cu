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

// Of sums of two floats.
__device__ inline float difference(float2 a, float2 b) { return (a.x - b.x) + (a.y - b.y); }

// The address of 8 neighbouring elements of a row of COLUMNS. Neighbouring rows put the same unit of 16 bytes into other banks.
template <int COLUMNS> __device__ inline unsigned unit_of(unsigned base, int row, int unit) {
    return base + row * (COLUMNS * 2) + ((unit ^ (row & 7)) << 4);
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
    to = unit_of<COLUMNS>(to, row, unit);
    from += long(first + row) * width + unit * 8;
    const bool inside = unit * 8 < columns;
#pragma unroll
    for (int pass = 0; pass < TOKENS / ROWS; ++pass) {
        copy_async<16>(to + pass * ROWS * COLUMNS * 2, from, inside && row + pass * ROWS < valid);
        from += ROWS * width;
    }
}
