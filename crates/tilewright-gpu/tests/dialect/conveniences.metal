// 32 threads: x [32] float = i; out [32 * 10] float. complex64_t and the small helpers of MLX's preamble.
const uint i = thread_position_in_grid.x;
const complex64_t z(x[i], 1.0f), w = complex64_t(2.0f, -1.0f);
uint n = i * 10;
const complex64_t product = z * w + 1.0f - complex64_t(0, 1);
out[n++] = product.real;
out[n++] = product.imag;
out[n++] = (z * w / w).real;
const complex64_t sum = simd_sum(z), moved = simd_shuffle_xor(z, 1);
out[n++] = sum.real + sum.imag * 1000;
out[n++] = moved.real;
out[n++] = (z < w ? 1 : 0) + (z == complex64_t(3, 1) ? 2 : 0) + (-z).imag;
out[n++] = ceildiv(i, 7u) + ceildiv(10, 3);
out[n++] = bfloat16_to_uint16(uint16_to_bfloat16(uint16_t(i))) + WorkPerThread<half>::n * 100;
out[n++] = cast_to<float>(float16_t(x[i])) + sizeof(bfloat16_t);
out[n++] = is_same_v<ConditionalType<true, int, float>::type, int> && is_same_v<float16_t, half> ? 1 : 0;
