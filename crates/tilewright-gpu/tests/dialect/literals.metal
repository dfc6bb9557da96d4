// One thread: x [1] float = 1; out [16] float. Floating literals are float, with or without f; `h` makes a
// half.
uint n = 0;
out[n++] = sizeof(1.0);
out[n++] = sizeof(.5);
out[n++] = sizeof(2.);
out[n++] = sizeof(1e-3);
out[n++] = sizeof(1.5E+2);
out[n++] = sizeof(0x1.8p3);
out[n++] = sizeof(0.5h);
out[n++] = sizeof(x[0] * 0.1);
// 1e-8 is lost beside 1 in float, not in double.
out[n++] = (x[0] + 1e-8) - x[0];
out[n++] = (x[0] + 0.1) == (x[0] + 0.1f) ? 1.0 : 0.0;
out[n++] = 33554433.0 - 33554432.0;
out[n++] = 0x10 + 0xEF + 1'000;
out[n++] = 1.5h + 0.25h;
out[n++] = .1 + 2.e1;
out[n++] = 3u / 2u + 5 / 2 + 7l / 2l;
out[n++] = float(1.0 / 3.0) - 1.0f / 3.0f;
