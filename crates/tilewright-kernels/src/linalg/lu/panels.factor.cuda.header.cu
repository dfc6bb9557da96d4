// From a row of a panel to the next in threadgroup memory, where four elements are read at once.
constexpr int PITCH = 36;

// A warp's strongest row within a turn, one over its pivot, its place, and its key.
struct Claim {
    ::float4 row[2];
    float over;
    int place;
    unsigned key, none;
};

// By addresses in threadgroup memory: a compiler asks for those of arrays anew, each time for as long as a column's other steps.
inline void give_if(int does, unsigned at, float a, float b, float c, float d) {
    asm volatile("{ .reg .pred p; setp.ne.s32 p, %0, 0; @p st.shared.v4.f32 [%1], {%2, %3, %4, %5}; }" ::"r"(does), "r"(at), "f"(a), "f"(b), "f"(c), "f"(d)
                 : "memory");
}
inline ::float4 quad_at(unsigned at) {
    ::float4 x;
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];" : "=f"(x.x), "=f"(x.y), "=f"(x.z), "=f"(x.w) : "r"(at) : "memory");
    return x;
}
inline float number_at(unsigned at) {
    float x;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(at) : "memory");
    return x;
}
