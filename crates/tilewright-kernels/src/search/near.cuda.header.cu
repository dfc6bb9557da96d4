// What the search's variants for CUDA share: rows as four neighbouring elements, products of bf16 on the matrix units.
// KIND is the dtype of the rows: 0 f32, 1 f16, 2 bf16, 3 i8.
constexpr unsigned EVERY_LANE = 0xffffffffu;
#define INFINITE __int_as_float(0x7f800000)

__device__ inline unsigned shared_address(const void* at) { return unsigned(__cvta_generic_to_shared(at)); }

__device__ inline float low_of(unsigned word) { return __uint_as_float(word << 16); }
__device__ inline float high_of(unsigned word) { return __uint_as_float(word & 0xffff0000u); }

// Two bf16 in a word, the first in the low half.
__device__ inline unsigned packed(float low, float high) {
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

__device__ inline void halves(float& low, float& high, unsigned word) {
    asm("{ .reg .b16 a, b; mov.b32 {a, b}, %2; cvt.f32.f16 %0, a; cvt.f32.f16 %1, b; }" : "=f"(low), "=f"(high) : "r"(word));
}

// Four neighbours of a row as they lie in memory.
template <int KIND> struct Four {
    unsigned words[KIND == 0 ? 4 : KIND == 3 ? 1 : 2];
};

// Those from element `at` of the tensor on, which is a multiple of four.
template <int KIND> __device__ inline Four<KIND> four_of(const void* from, size_t at) {
    Four<KIND> four;
    if constexpr (KIND == 0) {
        asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];"
            : "=r"(four.words[0]), "=r"(four.words[1]), "=r"(four.words[2]), "=r"(four.words[3])
            : "l"((const float*)from + at));
    } else if constexpr (KIND == 3) {
        asm("ld.global.nc.u32 %0, [%1];" : "=r"(four.words[0]) : "l"((const char*)from + at));
    } else {
        asm("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(four.words[0]), "=r"(four.words[1]) : "l"((const unsigned short*)from + at));
    }
    return four;
}

template <int KIND> __device__ inline void unpack(float (&x)[4], const Four<KIND>& four) {
    if constexpr (KIND == 0) {
#pragma unroll
        for (int i = 0; i < 4; ++i) x[i] = __uint_as_float(four.words[i]);
    } else if constexpr (KIND == 1) {
        halves(x[0], x[1], four.words[0]);
        halves(x[2], x[3], four.words[1]);
    } else if constexpr (KIND == 2) {
        x[0] = low_of(four.words[0]), x[1] = high_of(four.words[0]), x[2] = low_of(four.words[1]), x[3] = high_of(four.words[1]);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) x[i] = float(int(four.words[0] << (24 - 8 * i)) >> 24);
    }
}

template <int KIND> __device__ inline void four(float (&x)[4], const void* from, size_t at) { unpack<KIND>(x, four_of<KIND>(from, at)); }

__device__ inline void copy_async(unsigned to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

__device__ inline void load_tiles(unsigned (&x)[4], unsigned from) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                 : "r"(from)
                 : "memory");
}

// sum += a b, 16 x 8 of it, over 16 terms.
template <bool HALF> __device__ inline void multiply(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    if (HALF) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    } else {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
}

// The address of 8 neighbouring elements of a row of COLUMNS. Neighbouring rows put the same unit of 16 bytes into other banks.
template <int COLUMNS> __device__ inline unsigned unit_of(unsigned base, int row, int unit) {
    return base + row * (COLUMNS * 2) + ((unit ^ (row & 7)) << 4);
}

// Where element 4 i + j of 16 stands in what a left factor is read from: lane i of four then has the same four terms as the right factor's, which it
// loaded as neighbours.
__device__ inline int place_of(int element) { return (element & ~15) + (element >> 2 & 3) * 2 + (element & 1) + (element >> 1 & 1) * 8; }

// `count` rows of COLUMNS, which lie one after another, into a stage.
template <int COLUMNS> __device__ inline void fetch(unsigned to, const unsigned short* from, int count) {
    constexpr int UNITS = COLUMNS / 8;
    for (int i = threadIdx.x; i < count * UNITS; i += blockDim.x) {
        copy_async(unit_of<COLUMNS>(to, i / UNITS, i % UNITS), from + size_t(i) * 8);
    }
}
__device__ inline void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
__device__ inline void arrived() { asm volatile("cp.async.wait_all;" ::: "memory"); }

__device__ inline unsigned key_of(float distance) {
    if (distance != distance) return ~0u;
    const unsigned bits = __float_as_uint(distance + 0.0f);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ inline float value_of(unsigned key) { return key == ~0u ? __uint_as_float(0x7fc00000u) : __uint_as_float(key >> 31 ? key ^ 0x80000000u : ~key); }

// The first of the places of a list's groups of 32 rows among those of all lists, no two of which are the same: a list may have a group more than its share.
__device__ inline unsigned extent_of(unsigned begin, unsigned list) { return begin / 32 + list; }

// Rows of a group of threads that finds minima, 32 for each of its warps.
constexpr unsigned TILE = 128;

// A list as it can be read: an empty one where it does not exist or its offsets are none.
struct Stretch {
    unsigned begin, end;
};
__device__ inline Stretch stretch_of(const unsigned* offsets, long long list, unsigned lists, unsigned n) {
    if (list < 0 || list >= (long long)lists) return {0, 0};
    const unsigned begin = min(offsets[list], n);
    return {begin, max(begin, min(offsets[list + 1], n))};
}
