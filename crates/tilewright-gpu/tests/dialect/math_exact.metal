// 16 threads: x [16] float with halves, signs, zeros and large ones; out [16 * 20] float: the functions whose
// result is exact.
const uint i = thread_position_in_grid.x;
const float v = x[i];
uint n = i * 20;
out[n++] = floor(v);
out[n++] = ceil(v);
out[n++] = trunc(v);
out[n++] = round(v);
out[n++] = rint(v);
out[n++] = abs(v);
out[n++] = fabs(v);
out[n++] = sign(v);
out[n++] = saturate(v);
out[n++] = step(1.0f, v);
out[n++] = copysign(3.0f, v);
out[n++] = fdim(v, 1.0f);
out[n++] = clamp(v, -1.0f, 1.0f);
out[n++] = ldexp(v, 3);
int exponent = 0;
out[n++] = frexp(v, exponent);
out[n++] = exponent;
float whole = 0;
out[n++] = modf(v, whole);
out[n++] = whole;
out[n++] = max3(v, 1.0f, -1.0f) + min3(v, 0.0f, 1.0f) * 4 + median3(v, 0.0f, 2.0f) * 16;
out[n++] = select(1.0f, 2.0f, v > 0) + (signbit(v) ? 10 : 0);
