// 32 threads: x [32] float, x[5] a NaN, the others i - 10; out [32 * 16] float. min and max of scalars,
// vectors and lanes pass over NaN.
const uint lane = thread_index_in_simdgroup;
const float nan = x[5], v = x[lane];
uint n = lane * 16;
out[n++] = min(nan, 1.0f);
out[n++] = max(1.0f, nan);
out[n++] = fmin(2.0f, nan);
out[n++] = metal::fmax(nan, 2.0f);
out[n++] = float(min(half(nan), half(3)));
out[n++] = float(max(bfloat(4), bfloat(nan)));
out[n++] = max(float2(nan, 1.0f), float2(5.0f, nan)).x + max(float2(nan, 1.0f), float2(5.0f, nan)).y;
out[n++] = simd_max(v);
out[n++] = simd_min(v);
out[n++] = isnan(v) ? 1.0f : 0.0f;
out[n++] = isnan(simd_sum(v)) ? 1.0f : 0.0f;
out[n++] = (nan == nan ? 1.0f : 0.0f) + (nan < 1.0f ? 2.0f : 0.0f) + (nan != nan ? 4.0f : 0.0f);
out[n++] = isinf(INFINITY) && isinf(-INFINITY) && !isinf(nan) && !isfinite(INFINITY) && isfinite(FLT_MAX)
               ? 1.0f
               : 0.0f;
out[n++] = exp(-INFINITY);
out[n++] = max(-INFINITY, v == v ? v : -INFINITY) - 1.0f;
out[n++] = isnan(INFINITY - INFINITY) && isnan(NAN) && isnan(half(nan)) && !isnormal(0.0f) && signbit(-0.0f)
               ? 1.0f
               : 0.0f;
