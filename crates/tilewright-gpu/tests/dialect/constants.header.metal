#include <metal_stdlib>
using namespace metal;
#define SCALE 2.5
constant int rows = 3;
constant constexpr uint columns = 4;
static constant float table[5] = {0.5, 1.5, 2.5, 3.5, 4.5};
constant float4 vectors[2] = {float4(1, 2, 3, 4), float4(5, 6, 7, 8)};
constant half halves[] = {1.0h, 2.0h, 0.5h};
constant uchar codes[16] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 7, 9};
template <int N> inline float picked(constant float* from, uint i) { return from[i % N]; }
