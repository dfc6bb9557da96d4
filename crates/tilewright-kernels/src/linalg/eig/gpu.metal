// A group of threads a matrix: over its largest element it becomes Hessenberg by reflections, quasi-triangular by Francis's double steps,
// and its eigenvectors are substituted out of that, one thread each. Threads divide columns in updates of rows, rows in those of columns.
threadgroup S v[128];
threadgroup S real[128];
threadgroup S imaginary[128];
threadgroup S sums[4];
const uint item = threadgroup_position_in_grid.x;
const uint t = thread_index_in_threadgroup, threads = threads_per_threadgroup.x, lane = t % 32;
const device S* from = a + ulong(item) * n * n;
device S* h = hessenberg + ulong(item) * n * n;
// Absent where no vectors are asked for.
device S* z = basis + (vectors ? ulong(item) * n * n : 0);

S largest = S(0);
for (uint e = t; e < n * n; e += threads) {
    const S x = magnitude(from[e]);
    // NaN is not equal to itself.
    largest = x > largest || x != x ? x : largest;
}
#pragma unroll
for (ushort distance = 16; distance > 0; distance /= 2) {
    const S other = simd_shuffle_xor(largest, distance);
    largest = other > largest || other != other ? other : largest;
}
if (lane == 0) sums[t / 32] = largest;
// All are there before they are compared.
threadgroup_barrier(mem_flags::mem_threadgroup);
for (uint g = 0; g < threads / 32; ++g) largest = sums[g] > largest || sums[g] != sums[g] ? sums[g] : largest;
// The difference of an infinity or NaN with itself is NaN.
bool failed = largest - largest != S(0);
const S size = failed || largest == S(0) ? S(1) : largest;
for (uint e = t; e < n * n; e += threads) {
    h[e] = from[e] / size;
    if (vectors) z[e] = S(e / n == e % n);
}

for (uint k = 0; k + 2 < n && !failed; ++k) {
    // What the step before has written is there, and what it has read may change.
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    S square = S(0);
    for (uint i = k + 2 + t; i < n; i += threads) square += h[i * n + k] * h[i * n + k];
    square = simd_sum(square);
    if (lane == 0) sums[t / 32] = square;
    const S alpha = h[(k + 1) * n + k];
    // The sums are there before they are added.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    square = S(0);
    for (uint g = 0; g < threads / 32; ++g) square += sums[g];
    const bool zeros = square < nothing<S>();
    const S norm = sqrt(alpha * alpha + square);
    const S beta = alpha > S(0) ? -norm : norm;
    const S tau = zeros ? S(0) : (beta - alpha) / beta;
    for (uint i = k + 1 + t; i < n; i += threads) {
        v[i] = i == k + 1 ? S(1) : zeros ? S(0) : h[i * n + k] / (alpha - beta);
    }
    // The reflection is there before it is applied; its column was read before it changes.
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    for (uint i = k + 1 + t; i < n; i += threads) {
        if (i > k + 1) h[i * n + k] = S(0);
        else if (!zeros) h[i * n + k] = beta;
    }
    for (uint j = k + 1 + t; j < n; j += threads) {
        S product = S(0);
        for (uint i = k + 1; i < n; ++i) product += v[i] * h[i * n + j];
        product *= tau;
        for (uint i = k + 1; i < n; ++i) h[i * n + j] -= product * v[i];
    }
    // The rows are reflected before the columns are.
    threadgroup_barrier(mem_flags::mem_device);
    for (uint i = t; i < n; i += threads) {
        S product = S(0), turned = S(0);
        for (uint j = k + 1; j < n; ++j) {
            product += v[j] * h[i * n + j];
            if (vectors) turned += v[j] * z[i * n + j];
        }
        product *= tau;
        turned *= tau;
        for (uint j = k + 1; j < n; ++j) {
            h[i * n + j] -= product * v[j];
            if (vectors) z[i * n + j] -= turned * v[j];
        }
    }
}

// Rows from `end` on are done; those from `begin` on are one block that is not.
uint end = n, step = 0, steps = 0;
while (end > 0 && !failed) {
    // What was done before is there.
    threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
    const uint i = end - 1;
    uint begin = 0;
    for (uint top = i; top > 0; top = top > 32 ? top - 32 : 0) {
        const uint k = top > lane ? top - lane : 0;
        const uint found = simd_max(k > 0 && negligible(h, n, k) ? k : 0u);
        if (found > 0) {
            begin = found;
            break;
        }
    }
    if (begin == i) {
        // All have looked before a zero is made exact.
        threadgroup_barrier(mem_flags::mem_device);
        if (t == 0) {
            if (i > 0) h[i * n + i - 1] = S(0);
            real[i] = h[i * n + i];
            imaginary[i] = S(0);
        }
        end = i;
        step = 0;
        continue;
    }
    const uint first_row = vectors ? 0 : begin, columns = vectors ? n : end;
    if (begin + 1 == i) {
        const device S* block = h + begin * n + begin;
        const S a00 = block[0], a01 = block[1], a10 = block[n], a11 = block[n + 1];
        // All have read the block before it changes.
        threadgroup_barrier(mem_flags::mem_device);
        const S half_apart = (a00 - a11) / S(2);
        const S discriminant = half_apart * half_apart + a01 * a10;
        const S root = sqrt(magnitude(discriminant));
        if (discriminant < S(0)) {
            if (t == 0) {
                real[begin] = real[i] = a11 + half_apart;
                imaginary[begin] = root;
                imaginary[i] = -root;
            }
        } else {
            // [shift a10] is the eigenvector of the value a11 + shift.
            const S shift = half_apart + (half_apart < S(0) ? -root : root);
            const S larger = max(magnitude(shift), magnitude(a10));
            const S x = shift / larger, y = a10 / larger;
            const S length = sqrt(x * x + y * y);
            const S c = x / length, s = y / length;
            for (uint j = begin + t; j < columns; j += threads) {
                const S above = h[begin * n + j], below = h[i * n + j];
                h[begin * n + j] = c * above + s * below;
                h[i * n + j] = c * below - s * above;
            }
            // The rows are turned before the columns are.
            threadgroup_barrier(mem_flags::mem_device);
            for (uint r = t; r < n; r += threads) {
                if (r >= first_row && r < end) {
                    const S left = h[r * n + begin], right = h[r * n + i];
                    h[r * n + begin] = r == i ? S(0) : c * left + s * right;
                    h[r * n + i] = c * right - s * left;
                }
                if (vectors) {
                    const S left = z[r * n + begin], right = z[r * n + i];
                    z[r * n + begin] = c * left + s * right;
                    z[r * n + i] = c * right - s * left;
                }
            }
            // The columns are turned before the values are read off.
            threadgroup_barrier(mem_flags::mem_device);
            if (t == 0) {
                real[begin] = h[begin * n + begin];
                real[i] = h[i * n + i];
                imaginary[begin] = imaginary[i] = S(0);
            }
        }
        if (t == 0 && begin > 0) h[begin * n + begin - 1] = S(0);
        end = begin;
        step = 0;
        continue;
    }
    // LAPACK's limit.
    if (++steps > 30 * max(n, 10u)) {
        failed = true;
        break;
    }
    ++step;
    Shifts<S> shifts;
    if (step % 10 == 0) {
        // Shifts from nowhere, lest a cycle goes on for ever.
        const uint from_row = step % 20 == 0 ? i : begin + 2;
        const S sum = magnitude(h[from_row * n + from_row - 1]) + magnitude(h[(from_row - 1) * n + from_row - 2]);
        const uint at = step % 20 == 0 ? i : begin;
        const S diagonal = S(0.75f) * sum + h[at * n + at];
        shifts = shifts_of(diagonal, S(-0.4375f) * sum, sum, diagonal);
    } else {
        const device S* corner = h + (i - 1) * n + i - 1;
        shifts = shifts_of(corner[0], corner[1], corner[n], corner[n + 1]);
    }
    uint first = begin;
    for (uint top = i - 2; top > begin; top = top > begin + 32 ? top - 32 : begin) {
        const uint m = top > begin + lane ? top - lane : begin;
        const uint found = simd_max(m > begin && starts(h, n, m, start_of(h, n, m, shifts)) ? m : begin);
        if (found > begin) {
            first = found;
            break;
        }
    }
    const Start<S> start = start_of(h, n, first, shifts);
    for (uint k = first; k < i; ++k) {
        const bool three = k + 2 <= i;
        Reflection<S> reflection;
        if (k == first) {
            reflection = reflection_of(start.x, start.y, start.z);
        } else {
            const device S* bulge = h + k * n + k - 1;
            reflection = reflection_of(bulge[0], bulge[n], three ? bulge[2 * n] : S(0));
        }
        const S tau = reflection.tau, second = reflection.second, third = reflection.third;
        // What tells the reflection was read before it changes.
        threadgroup_barrier(mem_flags::mem_device);
        for (uint j = k + t; j < columns; j += threads) {
            device S* column = h + k * n + j;
            S product = column[0] + second * column[n];
            if (three) product += third * column[2 * n];
            product *= tau;
            column[0] -= product;
            column[n] -= product * second;
            if (three) column[2 * n] -= product * third;
        }
        // The rows are reflected before the columns are.
        threadgroup_barrier(mem_flags::mem_device);
        if (t == 0 && k == begin && begin > 0) h[k * n + k - 1] = S(0);
        if (t == 0 && k > begin) {
            device S* bulge = h + k * n + k - 1;
            if (k > first) {
                bulge[0] = reflection.beta;
                bulge[n] = S(0);
                if (three) bulge[2 * n] = S(0);
            } else {
                bulge[0] *= S(1) - tau;
            }
        }
        for (uint r = t; r < n; r += threads) {
            if (r >= first_row && r <= min(k + 3, i)) {
                device S* row = h + r * n + k;
                S product = row[0] + second * row[1];
                if (three) product += third * row[2];
                product *= tau;
                row[0] -= product;
                row[1] -= product * second;
                if (three) row[2] -= product * third;
            }
            if (vectors) {
                device S* row = z + r * n + k;
                S product = row[0] + second * row[1];
                if (three) product += third * row[2];
                product *= tau;
                row[0] -= product;
                row[1] -= product * second;
                if (three) row[2] -= product * third;
            }
        }
        // The columns are reflected before the next reflection is read from them.
        threadgroup_barrier(mem_flags::mem_device);
    }
}
// All values are there.
threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);
const uint e = t;
if (t == 0) info[item] = failed ? 1 : 0;
// From here on a thread works for itself.
if (e >= n) return;
if (failed) {
    re[ulong(item) * n + e] = im[ulong(item) * n + e] = S(NAN);
    for (uint r = 0; r < n && vectors; ++r) {
        vectors_re[(ulong(item) * n + r) * n + e] = vectors_im[(ulong(item) * n + r) * n + e] = S(NAN);
    }
    return;
}
const Complex<S> value = Complex<S>{real[e], imaginary[e]};
// Its place in the order: the larger modulus first, then the larger real part, then the larger imaginary one.
const S modulus = modulus_of(value);
uint place = 0;
for (uint other = 0; other < n; ++other) {
    const Complex<S> that = Complex<S>{real[other], imaginary[other]};
    const S its = modulus_of(that);
    const bool same_real = that.re == value.re, same = same_real && that.im == value.im;
    const bool before = its != modulus ? its > modulus : !same_real ? that.re > value.re : that.im > value.im;
    place += before || (same && its == modulus && other < e) ? 1 : 0;
}
re[ulong(item) * n + place] = value.re * size;
im[ulong(item) * n + place] = value.im * size;
if (!vectors) return;

// (h - value) x = 0, from the last row up. Columns of the scratch are a thread's own.
device S* x_re = solutions_re + ulong(item) * n * n + e;
device S* x_im = solutions_im + ulong(item) * n * n + e;
uint row, last;
if (value.im == S(0)) {
    row = last = e;
    x_re[e * n] = S(1);
    x_im[e * n] = S(0);
} else {
    row = value.im > S(0) ? e : e - 1;
    last = row + 1;
    const device S* block = h + row * n + row;
    const Complex<S> left = less(Complex<S>{block[0], S(0)}, value), right = less(Complex<S>{block[n + 1], S(0)}, value);
    const bool upper = magnitude(block[1]) >= magnitude(block[n]);
    const S over_it = S(1) / (upper ? block[1] : block[n]);
    const Complex<S> first = upper ? Complex<S>{S(1), S(0)} : times(-over_it, right);
    const Complex<S> second = upper ? times(-over_it, left) : Complex<S>{S(1), S(0)};
    x_re[row * n] = first.re;
    x_im[row * n] = first.im;
    x_re[last * n] = second.re;
    x_im[last * n] = second.im;
}
while (row > 0) {
    const bool pair = row > 1 && h[(row - 1) * n + row - 2] != S(0);
    const uint low = row - 1, high = pair ? row - 2 : row - 1;
    Complex<S> below = Complex<S>{S(0), S(0)}, above = below;
    for (uint j = row; j <= last; ++j) {
        below.re -= h[low * n + j] * x_re[j * n];
        below.im -= h[low * n + j] * x_im[j * n];
        if (pair) {
            above.re -= h[high * n + j] * x_re[j * n];
            above.im -= h[high * n + j] * x_im[j * n];
        }
    }
    const Complex<S> corner = less(Complex<S>{h[low * n + low], S(0)}, value);
    Complex<S> x, y = Complex<S>{S(0), S(0)};
    if (pair) {
        const Complex<S> origin = less(Complex<S>{h[high * n + high], S(0)}, value);
        const S beside = h[high * n + low], under = h[low * n + high];
        // Elimination with the larger one of the first column.
        if (magnitude(origin) >= magnitude(under)) {
            const Complex<S> factor = over(Complex<S>{under, S(0)}, origin);
            x = over(less(below, times(factor, above)), pivot_of(less(corner, times(beside, factor))));
            y = over(less(above, times(beside, x)), origin);
        } else {
            const Complex<S> factor = times(S(1) / under, origin);
            x = over(less(above, times(factor, below)), pivot_of(less(Complex<S>{beside, S(0)}, times(factor, corner))));
            y = times(S(1) / under, less(below, times(corner, x)));
        }
    } else {
        x = over(below, pivot_of(corner));
    }
    x_re[low * n] = x.re;
    x_im[low * n] = x.im;
    if (pair) {
        x_re[high * n] = y.re;
        x_im[high * n] = y.im;
    }
    row = high;
    // Growth is taken back before it leaves the range, or its squares do.
    const S length = max(magnitude(x), magnitude(y));
    if (length > S(1e8f)) {
        for (uint j = row; j <= last; ++j) {
            x_re[j * n] /= length;
            x_im[j * n] /= length;
        }
    }
}
device S* to_re = vectors_re + ulong(item) * n * n + place;
device S* to_im = vectors_im + ulong(item) * n * n + place;
S square = S(0), most = S(0);
Complex<S> turn = Complex<S>{S(1), S(0)};
uint longest = 0;
for (uint r = 0; r < n; ++r) {
    Complex<S> sum = Complex<S>{S(0), S(0)};
    for (uint j = 0; j <= last; ++j) {
        sum.re += z[r * n + j] * x_re[j * n];
        sum.im += z[r * n + j] * x_im[j * n];
    }
    to_re[r * n] = sum.re;
    to_im[r * n] = sum.im;
    const S its = sum.re * sum.re + sum.im * sum.im;
    square += its;
    if (its > most) {
        most = its;
        longest = r;
        turn = sum;
    }
}
// Of length 1, and of a complex vector the longest component real.
const S unit = S(1) / sqrt(square);
const bool real_value = value.im == S(0);
const S onto = S(1) / sqrt(most);
const Complex<S> factor = real_value ? Complex<S>{unit, S(0)} : Complex<S>{turn.re * onto * unit, -turn.im * onto * unit};
for (uint r = 0; r < n; ++r) {
    const Complex<S> turned = times(factor, Complex<S>{to_re[r * n], to_im[r * n]});
    to_re[r * n] = turned.re;
    to_im[r * n] = real_value || r == longest ? S(0) : turned.im;
}
