// One thread: x [4] float = 1..4; out [16] float. Templates, traits, overloads, lambdas, structs, arrays,
// names that Metal's headers do not own.
#pragma clang loop unroll(full)
for (int i = 0; i < 2; ++i) out[i] = sigmoid(x[i] - x[i]);
uint n = 2;
out[n++] = float(sigmoid(half(0)));
out[n++] = max(x[0], x[3], x[1]) + max(1.0f, 2.0f) + max(3, 2u);
Accumulator<float, lanes> total;
total.clear();
#pragma unroll
for (int i = 0; i < lanes; ++i) total.parts[i] += x[i];
out[n++] = total.total();
Accumulator<half, 2> small;
small.clear();
small.parts[1] += 1.5;
out[n++] = small.total();
out[n++] = kind<half>() * 1000 + kind<int>() * 100 + kind<float>() * 10 + kind<bfloat>();
out[n++] = second_mode + unsigned_only(ushort(1)) + sizeof(pick);
auto scaled = [&](int i) { return x[i] * 2; };
out[n++] = scaled(2) + scaled(each);
metal::array<int, 3> three = {1, 2, 3};
int sum = 0;
for (int k : three) sum += k;
out[n++] = sum + three[2] + three.size();
auto pointer = x + 1;
const device float& reference = pointer[1];
out[n++] = reference;
{ out[n++] = is_convertible_v<half, float> && !is_same_v<half, bfloat> && is_signed_v<int> ? 1.0 : 0.0; }
do { out[n] = 7; } while (false);
++n;
switch (int(x[1])) {
    case 2:
        out[n++] = 22;
        break;
    default:
        out[n++] = 0;
}
const bool yes = x[0] < x[1], no = !yes;
out[n++] = yes + no * 2;
half h = x[2];
h += x[3];
out[n++] = h > 6.0h ? h : half(0);
