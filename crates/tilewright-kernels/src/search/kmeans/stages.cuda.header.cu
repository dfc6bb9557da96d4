// Labels on Hopper's matrix units, which read the centroids where they lie in shared memory: four warps keep 64 rows as left factors in registers, and all
// centroids pass by. The groups of threads stay, one a multiprocessor, and walk over the rows; copies of centroids run ahead of them in a ring.

// Rows of a group of 16 warps, and bytes of the ring.
constexpr int TILE_ROWS = 256, RING = 6 << 15;

// Four neighbours of a row as two words of 16-bit numbers: f16 and bf16 as they are, whole numbers as bf16.
template <int KIND> __device__ inline void words_of(unsigned& low, unsigned& high, const void* x, size_t at) {
    if (KIND == 3) {
        float values[4];
        four<KIND>(values, x, at);
        low = packed(values[0], values[1]), high = packed(values[2], values[3]);
    } else {
        asm volatile("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(low), "=r"(high) : "l"((const unsigned short*)x + at));
    }
}

// Barriers in shared memory: for a copy that arrives, and for the warps that have read it. Each is waited for by the parity of its turn.
__device__ inline void set_up(unsigned barrier, int arrivals) { asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory"); }
__device__ inline void arrive(unsigned barrier) { asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory"); }
__device__ inline void expect(unsigned barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ inline void wait_for(unsigned barrier, unsigned parity) {
    asm volatile("{\n.reg .pred done;\nagain: mbarrier.try_wait.parity.shared.b64 done, [%0], %1;\n@!done bra again;\n}" ::"r"(barrier), "r"(parity) : "memory");
}
__device__ inline void copy_whole(unsigned to, const void* from, int bytes, unsigned barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to), "l"(from), "r"(bytes), "r"(barrier) : "memory");
}

// sums (+)= 64 rows by the STAGE centroids of a panel, over 16 columns. `right` is half of a description of the panel: groups of 8 rows 1024 bytes apart, and where
// it starts, in units of 16 bytes. The other half says the same distance, and how units are exchanged within a group.
template <bool HALF> __device__ inline void multiply_stage(float (&sums)[16][4], const unsigned (&left)[4], unsigned at, bool more) {
    const unsigned right = 1024 / 16 << 16 | at / 16;
#define FOUR(i) "+f"(sums[i][0]), "+f"(sums[i][1]), "+f"(sums[i][2]), "+f"(sums[i][3])
#define MULTIPLY(TYPE)                                                                                                                                     \
    asm volatile("{\n.reg .pred more;\n.reg .b64 right;\nsetp.ne.b32 more, %69, 0;\nmov.b64 right, {%68, 0x40000040};\n"                                  \
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE " {"                                                                          \
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, " \
                 "%29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, " \
                 "%56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, %67}, right, more, 1, 1, 0;\n}"                                                 \
                 : FOUR(0), FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5), FOUR(6), FOUR(7), FOUR(8), FOUR(9), FOUR(10), FOUR(11), FOUR(12), FOUR(13),        \
                   FOUR(14), FOUR(15)                                                                                                                      \
                 : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right), "r"(int(more)))
    if (HALF) MULTIPLY("f16");
    else MULTIPLY("bf16");
#undef MULTIPLY
#undef FOUR
}

template <int KIND, int DK, int LEFT>
__device__ inline void assign_stages(const unsigned short* planes, const float* half_squares, const void* x, unsigned n, int d, unsigned padded, long long* labels,
                                     unsigned char* memory) {
    // A slot of the ring holds one plane of a stage. What is copied stays behind what was read, so that no warp waits for the others to read the same stage.
    constexpr int STEPS = DK / 16, PLANE = STAGE * DK * 2, SLOTS = RING / PLANE, BEHIND = SLOTS / 2, SIZE = KIND == 3 ? 1 : 2;
    static_assert(BEHIND >= LEFT, "the planes of a stage are read together");
    __shared__ unsigned long long barriers[2 * SLOTS];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row_of_eight = lane / 4, quad = lane % 4;
    const unsigned base = (shared_address(memory) + 1023) & ~1023u, arrived = shared_address(barriers), read = arrived + 8 * SLOTS;
    if (threadIdx.x == 0) {
        for (int slot = 0; slot < SLOTS; ++slot) set_up(arrived + 8 * slot, 1), set_up(read + 8 * slot, TILE_ROWS / 16);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();  // the barriers are there
    const unsigned stages = padded / STAGE, tiles = (n + TILE_ROWS - 1) / TILE_ROWS;
    // The next plane to copy, its slot, and how many are left for this group's rows.
    unsigned next = 0, next_slot = 0, next_parity = 1, left = (tiles - blockIdx.x + gridDim.x - 1) / gridDim.x * stages * LEFT;
    const auto copy = [&] {
        wait_for(read + 8 * next_slot, next_parity);
        expect(arrived + 8 * next_slot, PLANE);
        copy_whole(base + next_slot * PLANE, planes + size_t(next) * (PLANE / 2), PLANE, arrived + 8 * next_slot);
        if (++next_slot == SLOTS) next_slot = 0, next_parity ^= 1;
        if (++next == stages * LEFT) next = 0;
        --left;
    };
    if (threadIdx.x == 0) {
        for (int slot = 0; slot < SLOTS - BEHIND && left > 0; ++slot) copy();
    }
    unsigned slot = 0, parity = 0;
    for (unsigned tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const size_t row = size_t(tile) * TILE_ROWS + warp * 16 + row_of_eight;
        unsigned rows[STEPS][4];
#pragma unroll
        for (int step = 0; step < STEPS; ++step) {
            const int j = step * 16 + quad * 4;
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                unsigned low = 0, high = 0;
                if (row + 8 * half < n && j < d) words_of<KIND>(low, high, x, (row + 8 * half) * d + j);
                rows[step][half] = low, rows[step][half + 2] = high;
            }
        }
        // The rows after these come as far as the cache.
        if (threadIdx.x == 0 && tile + gridDim.x < tiles) {
            const size_t first = size_t(tile + gridDim.x) * TILE_ROWS, count = min(size_t(n) - first, size_t(TILE_ROWS));
            const char* from = (const char*)x + first * d * SIZE;
            const unsigned bytes = unsigned(count * d * SIZE) & ~15u;
            if (bytes > 0) asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"((size_t)from & ~size_t(15)), "r"(bytes) : "memory");
        }
        float best[2] = {INFINITE, INFINITE};
        unsigned place[2] = {0, 0};
        for (unsigned stage = 0; stage < stages; ++stage) {
            float sums[STAGE / 8][4];
            const unsigned first = slot;
#pragma unroll
            for (int plane = 0; plane < LEFT; ++plane) {
                if (threadIdx.x == 0 && left > 0) copy();
                __syncwarp();
                wait_for(arrived + 8 * slot, parity);
                asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
                for (int step = 0; step < STEPS; ++step) {
                    multiply_stage<KIND == 1>(sums, rows[step], base + slot * PLANE + step / 4 * (STAGE * PANEL * 2) + step % 4 * 32, plane + step > 0);
                }
                asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
                if (++slot == SLOTS) slot = 0, parity ^= 1;
            }
            asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
            // Here the sums change hands.
#pragma unroll
            for (int i = 0; i < STAGE / 2; ++i) asm volatile("" : "+f"(sums[i / 4][i % 4])::"memory");
            if (lane < LEFT) arrive(read + 8 * ((first + lane) % SLOTS));
            int here[2] = {-1, -1};
#pragma unroll
            for (int tile = 0; tile < STAGE / 8; ++tile) {
                const float2 squares = *(const float2*)(half_squares + stage * STAGE + tile * 8 + quad * 2);
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const float score = squares.x - sums[tile][2 * half], other = squares.y - sums[tile][2 * half + 1];
                    if (score < best[half]) best[half] = score, here[half] = tile * 8;
                    if (other < best[half]) best[half] = other, here[half] = tile * 8 + 1;
                }
            }
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                if (here[half] >= 0) place[half] = stage * STAGE + here[half];
            }
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float score = best[half];
            unsigned label = place[half] + quad * 2;
            for (int other = 1; other < 4; other *= 2) {
                const float theirs = __shfl_xor_sync(EVERY_LANE, score, other);
                const unsigned name = __shfl_xor_sync(EVERY_LANE, label, other);
                if (theirs < score || (theirs == score && name < label)) score = theirs, label = name;
            }
            // Where no score is a number: the first, as where all are equal.
            if (quad == 0 && row + 8 * half < n) labels[row + 8 * half] = score < INFINITE ? (long long)label : 0ll;
        }
    }
}
