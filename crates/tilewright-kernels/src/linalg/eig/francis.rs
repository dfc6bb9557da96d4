//! Francis's double steps on the host: a matrix becomes quasi-triangular, and its eigenvectors are substituted out of that.

use super::super::host::Real;

/// `a = z h zᵀ`, row-major, of a matrix whose numbers are not far from 1.
pub(super) struct Schur<T> {
    n: usize,
    h: Vec<T>,
    /// zᵀ, so that reflections of z's columns run along rows; empty where no vectors are asked for.
    turned: Vec<T>,
    /// Real and imaginary part of each value.
    pub(super) values: Vec<(T, T)>,
}

/// `1 - tau v vᵀ` with v = [1 second third].
struct Reflection<T> {
    tau: T,
    second: T,
    third: T,
    beta: T,
}

fn times<T: Real>(a: (T, T), b: (T, T)) -> (T, T) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn less<T: Real>(a: (T, T), b: (T, T)) -> (T, T) {
    (a.0 - b.0, a.1 - b.1)
}

/// The divisor is no smaller than a rounding of numbers of size 1, and no larger than a few of them: its square is in range.
fn over<T: Real>(a: (T, T), b: (T, T)) -> (T, T) {
    let square = b.0 * b.0 + b.1 * b.1;
    ((a.0 * b.0 + a.1 * b.1) / square, (a.1 * b.0 - a.0 * b.1) / square)
}

fn size<T: Real>(x: (T, T)) -> T {
    x.0.magnitude() + x.1.magnitude()
}

fn larger<T: Real>(a: T, b: T) -> T {
    if a > b { a } else { b }
}

/// A pivot that is no smaller than a rounding of numbers of size 1.
fn pivot<T: Real>(x: (T, T)) -> (T, T) {
    if size(x) < T::EPSILON { (T::EPSILON, T::ZERO) } else { x }
}

/// The reflection that turns `[x y z]` into `[beta 0 0]`.
fn reflection<T: Real>(x: T, y: T, z: T) -> Reflection<T> {
    if y == T::ZERO && z == T::ZERO {
        return Reflection { tau: T::ZERO, second: T::ZERO, third: T::ZERO, beta: x };
    }
    let size = larger(x.magnitude(), larger(y.magnitude(), z.magnitude()));
    let (x, y, z) = (x / size, y / size, z / size);
    let norm = (x * x + y * y + z * z).root();
    let beta = if x > T::ZERO { -norm } else { norm };
    Reflection { tau: (beta - x) / beta, second: y / (x - beta), third: z / (x - beta), beta: beta * size }
}

/// The eigenvalues of `[a b; c d]`; of real ones twice the one that is closer to d.
fn shifts<T: Real>(a: T, b: T, c: T, d: T) -> [(T, T); 2] {
    let size = a.magnitude() + b.magnitude() + c.magnitude() + d.magnitude();
    if size == T::ZERO {
        return [(T::ZERO, T::ZERO); 2];
    }
    let (a, b, c, d) = (a / size, b / size, c / size, d / size);
    let middle = (a + d) / T::from_count(2);
    let determinant = (a - middle) * (d - middle) - b * c;
    let root = determinant.magnitude().root();
    if determinant >= T::ZERO {
        return [(middle * size, root * size), (middle * size, -root * size)];
    }
    let (low, high) = (middle - root, middle + root);
    let closer = if (low - d).magnitude() < (high - d).magnitude() { low } else { high };
    [(closer * size, T::ZERO); 2]
}

impl<T: Real> Schur<T> {
    /// `None` where the steps do not end. The matrix, n x n row-major, is over its largest element.
    pub(super) fn new(n: usize, h: Vec<T>, vectors: bool) -> Option<Self> {
        let identity = |e: usize| if e / n == e % n { T::ONE } else { T::ZERO };
        let turned = if vectors { (0..n * n).map(identity).collect() } else { Vec::new() };
        let mut schur = Schur { n, h, turned, values: vec![(T::ZERO, T::ZERO); n] };
        schur.reduce();
        schur.iterate().then_some(schur)
    }

    fn at(&self, i: usize, j: usize) -> T {
        self.h[i * self.n + j]
    }

    fn reduce(&mut self) {
        let n = self.n;
        let (mut v, mut products) = (vec![T::ZERO; n], vec![T::ZERO; n]);
        for k in 0..n.saturating_sub(2) {
            let alpha = self.at(k + 1, k);
            let below = (k + 2..n).map(|i| self.at(i, k));
            let square = below.fold(T::ZERO, |sum, x| sum + x * x);
            // Less than a rounding of a rounding is dropped.
            let tau = if square < T::NOTHING {
                T::ZERO
            } else {
                let norm = (alpha * alpha + square).root();
                let beta = if alpha > T::ZERO { -norm } else { norm };
                v[k + 1] = T::ONE;
                (k + 2..n).for_each(|i| v[i] = self.at(i, k) / (alpha - beta));
                self.h[(k + 1) * n + k] = beta;
                (beta - alpha) / beta
            };
            (k + 2..n).for_each(|i| self.h[i * n + k] = T::ZERO);
            if tau == T::ZERO {
                continue;
            }
            let v = &v[k + 1..];
            reflect_rows(&mut self.h[(k + 1) * n..], n, k + 1, tau, v, &mut products);
            for row in self.h.chunks_exact_mut(n) {
                let row = &mut row[k + 1..];
                let product = row.iter().zip(v).fold(T::ZERO, |sum, (&x, &v)| sum + x * v) * tau;
                row.iter_mut().zip(v).for_each(|(x, &v)| *x -= product * v);
            }
            if !self.turned.is_empty() {
                reflect_rows(&mut self.turned[(k + 1) * n..], n, 0, tau, v, &mut products);
            }
        }
    }

    /// Whether the element left of the diagonal of row k is a zero to rounding (Ahues and Tisseur, 1997).
    fn negligible(&self, k: usize) -> bool {
        let tiny = T::NOTHING * T::NOTHING.root();
        let below = self.at(k, k - 1).magnitude();
        if below <= tiny {
            return true;
        }
        let (a, b, beside) = (self.at(k, k), self.at(k - 1, k - 1), self.at(k - 1, k).magnitude());
        let size = a.magnitude() + b.magnitude();
        if below > T::EPSILON * if size > T::ZERO { size } else { T::ONE } {
            return false;
        }
        let (apart, own) = ((b - a).magnitude(), a.magnitude());
        let (far, near) = if own > apart { (own, apart) } else { (apart, own) };
        let (more, fewer) = if below > beside { (below, beside) } else { (beside, below) };
        let sum = far + more;
        fewer * (more / sum) <= larger(tiny, T::EPSILON * (near * (far / sum)))
    }

    /// Whether all values were found, within LAPACK's number of steps.
    fn iterate(&mut self) -> bool {
        let n = self.n;
        // Rows from `end` on are done; those from `begin` on are one block that is not.
        let (mut end, mut step, mut steps) = (n, 0, 0);
        while end > 0 {
            let last = end - 1;
            let begin = (1..=last).rev().find(|&k| self.negligible(k)).unwrap_or(0);
            if begin > 0 {
                self.h[begin * n + begin - 1] = T::ZERO;
            }
            if begin + 1 >= last {
                if begin == last {
                    self.values[last] = (self.at(last, last), T::ZERO);
                } else {
                    self.split(begin);
                }
                (end, step) = (begin, 0);
                continue;
            }
            step += 1;
            steps += 1;
            if steps > 30 * n.max(10) {
                return false;
            }
            self.double_step(begin, last, step);
        }
        true
    }

    /// The rows and columns that a step on rows `begin..end` has to keep: all, or those of the block where only values are asked for.
    fn kept(&self, begin: usize, end: usize) -> (usize, usize) {
        if self.turned.is_empty() { (begin, end) } else { (0, self.n) }
    }

    /// The values of a block of two rows; where they are real it becomes triangular.
    fn split(&mut self, begin: usize) {
        let (n, i) = (self.n, begin + 1);
        let (a, b, c, d) = (self.at(begin, begin), self.at(begin, i), self.at(i, begin), self.at(i, i));
        let half_apart = (a - d) / T::from_count(2);
        let discriminant = half_apart * half_apart + b * c;
        let root = discriminant.magnitude().root();
        if discriminant < T::ZERO {
            self.values[begin] = (d + half_apart, root);
            self.values[i] = (d + half_apart, -root);
            return;
        }
        // [shift c] is the eigenvector of the value d + shift.
        let shift = half_apart + if half_apart < T::ZERO { -root } else { root };
        let most = larger(shift.magnitude(), c.magnitude());
        let (x, y) = (shift / most, c / most);
        let length = (x * x + y * y).root();
        let (cosine, sine) = (x / length, y / length);
        let (top, right) = self.kept(begin, i + 1);
        let turn = |x: T, y: T| (cosine * x + sine * y, cosine * y - sine * x);
        for j in begin..right {
            (self.h[begin * n + j], self.h[i * n + j]) = turn(self.at(begin, j), self.at(i, j));
        }
        for r in top..=i {
            (self.h[r * n + begin], self.h[r * n + i]) = turn(self.at(r, begin), self.at(r, i));
        }
        self.h[i * n + begin] = T::ZERO;
        if !self.turned.is_empty() {
            let (above, below) = self.turned.split_at_mut(i * n);
            let pairs = above[begin * n..].iter_mut().zip(&mut below[..n]);
            pairs.for_each(|(x, y)| (*x, *y) = turn(*x, *y));
        }
        self.values[begin] = (self.at(begin, begin), T::ZERO);
        self.values[i] = (self.at(i, i), T::ZERO);
    }

    /// The first column of `(h - first)(h - second)` of the block that begins in row m, over a number.
    fn start(&self, m: usize, [first, second]: [(T, T); 2]) -> (T, T, T) {
        let (a, below, d) = (self.at(m, m), self.at(m + 1, m), self.at(m + 1, m + 1));
        let size = (a - second.0).magnitude() + second.1.magnitude() + below.magnitude();
        if size == T::ZERO {
            return (T::ZERO, T::ZERO, T::ZERO);
        }
        let ratio = below / size;
        let x =
            ratio * self.at(m, m + 1) + (a - first.0) * ((a - second.0) / size) - first.1 * (second.1 / size);
        let y = ratio * (a + d - first.0 - second.0);
        let z = ratio * self.at(m + 2, m + 1);
        let sum = x.magnitude() + y.magnitude() + z.magnitude();
        if sum > T::ZERO { (x / sum, y / sum, z / sum) } else { (T::ZERO, T::ZERO, T::ZERO) }
    }

    /// One step with two shifts on rows `begin..=last`, at least three: a bulge that is chased to the end.
    fn double_step(&mut self, begin: usize, last: usize, step: usize) {
        let n = self.n;
        let two = if step.is_multiple_of(10) {
            // Shifts from nowhere, lest a cycle goes on for ever.
            let (row, at) = if step.is_multiple_of(20) { (last, last) } else { (begin + 2, begin) };
            let sum = self.at(row, row - 1).magnitude() + self.at(row - 1, row - 2).magnitude();
            let diagonal = T::from_count(3) / T::from_count(4) * sum + self.at(at, at);
            shifts(diagonal, -(T::from_count(7) / T::from_count(16)) * sum, sum, diagonal)
        } else {
            let i = last - 1;
            shifts(self.at(i, i), self.at(i, last), self.at(last, i), self.at(last, last))
        };
        let starts = |&m: &usize| {
            let (x, y, z) = self.start(m, two);
            let around = self.at(m - 1, m - 1).magnitude()
                + self.at(m, m).magnitude()
                + self.at(m + 1, m + 1).magnitude();
            self.at(m, m - 1).magnitude() * (y.magnitude() + z.magnitude())
                <= T::EPSILON * x.magnitude() * around
        };
        let first = (begin + 1..=last - 2).rev().find(starts).unwrap_or(begin);
        let start = self.start(first, two);
        let (top, right) = self.kept(begin, last + 1);
        for k in first..last {
            let three = k + 2 <= last;
            let rows = if three { 3 } else { 2 };
            let by = if k == first {
                reflection(start.0, start.1, start.2)
            } else {
                let third = if three { self.at(k + 2, k - 1) } else { T::ZERO };
                reflection(self.at(k, k - 1), self.at(k + 1, k - 1), third)
            };
            if k > first {
                self.h[k * n + k - 1] = by.beta;
                (1..rows).for_each(|r| self.h[(k + r) * n + k - 1] = T::ZERO);
            } else if k > begin {
                self.h[k * n + k - 1] *= T::ONE - by.tau;
            }
            reflect(&by, three, &mut self.h[k * n..], n, k..right);
            for row in self.h[top * n..].chunks_exact_mut(n).take((k + 3).min(last) + 1 - top) {
                let row = &mut row[k..k + rows];
                let mut product = row[0] + by.second * row[1];
                if three {
                    product += by.third * row[2];
                }
                product *= by.tau;
                row[0] -= product;
                row[1] -= product * by.second;
                if three {
                    row[2] -= product * by.third;
                }
            }
            if !self.turned.is_empty() {
                reflect(&by, three, &mut self.turned[k * n..], n, 0..n);
            }
        }
    }

    /// The same of the transpose: `aᵀ = (z j) (j hᵀ j) (z j)ᵀ`, where j reverses, and with it the order of the values; the first of a pair stays
    /// the one above the real axis.
    pub(super) fn transposed(&self) -> Self {
        let n = self.n;
        let h = (0..n * n).map(|e| self.at(n - 1 - e % n, n - 1 - e / n)).collect();
        let turned = self.turned.chunks_exact(n.max(1)).rev().flatten().copied().collect();
        let values = self.values.iter().rev().map(|&(re, im)| (re, -im)).collect();
        Schur { n, h, turned, values }
    }

    /// The eigenvector of value `e`, of length 1; of a complex one the longest component is real. For the second of a pair see the first.
    pub(super) fn vector(&self, e: usize, re: &mut [T], im: &mut [T]) {
        let (n, value) = (self.n, self.values[e]);
        let complex = value.1 != T::ZERO;
        let (mut x, mut y) = (vec![T::ZERO; n], vec![T::ZERO; n]);
        let last = e + usize::from(complex);
        if complex {
            let left = less((self.at(e, e), T::ZERO), value);
            let right = less((self.at(last, last), T::ZERO), value);
            let (beside, under) = (self.at(e, last), self.at(last, e));
            if beside.magnitude() >= under.magnitude() {
                (x[e], x[last], y[last]) = (T::ONE, -left.0 / beside, -left.1 / beside);
            } else {
                (x[last], x[e], y[e]) = (T::ONE, -right.0 / under, -right.1 / under);
            }
        } else {
            x[e] = T::ONE;
        }
        let mut row = e;
        while row > 0 {
            let pair = row > 1 && self.at(row - 1, row - 2) != T::ZERO;
            let (low, high) = (row - 1, row - 1 - usize::from(pair));
            let rest = |r: usize| {
                let columns = row..last + 1;
                let h = &self.h[r * n..][columns.clone()];
                let sum = |x: &[T]| h.iter().zip(x).fold(T::ZERO, |sum, (&h, &x)| sum - h * x);
                (sum(&x[columns.clone()]), if complex { sum(&y[columns]) } else { T::ZERO })
            };
            let (below, corner) = (rest(low), less((self.at(low, low), T::ZERO), value));
            let mut longest = T::ZERO;
            if pair {
                let above = rest(high);
                let origin = less((self.at(high, high), T::ZERO), value);
                let (beside, under) = (self.at(high, low), self.at(low, high));
                // Elimination with the larger one of the first column.
                let (first, second);
                if size(origin) >= under.magnitude() {
                    let factor = over((under, T::ZERO), origin);
                    let left = less(corner, (beside * factor.0, beside * factor.1));
                    second = over(less(below, times(factor, above)), pivot(left));
                    first = over(less(above, (beside * second.0, beside * second.1)), origin);
                } else {
                    let factor = (origin.0 / under, origin.1 / under);
                    let left = less((beside, T::ZERO), times(factor, corner));
                    second = over(less(above, times(factor, below)), pivot(left));
                    let known = less(below, times(corner, second));
                    first = (known.0 / under, known.1 / under);
                }
                (x[high], y[high]) = first;
                (x[low], y[low]) = second;
                longest = size(first);
            } else {
                (x[low], y[low]) = over(below, pivot(corner));
            }
            longest = larger(longest, size((x[low], y[low])));
            row = high;
            // Growth is taken back before it leaves the range, or its squares do.
            if longest > T::from_count(100_000_000) {
                x[row..=last].iter_mut().chain(&mut y[row..=last]).for_each(|x| *x /= longest);
            }
        }
        re.fill(T::ZERO);
        im.fill(T::ZERO);
        for (j, line) in self.turned.chunks_exact(n).take(last + 1).enumerate() {
            re.iter_mut().zip(line).for_each(|(sum, &z)| *sum += z * x[j]);
            if complex {
                im.iter_mut().zip(line).for_each(|(sum, &z)| *sum += z * y[j]);
            }
        }
        normalize(re, im, complex);
    }
}

/// Makes a vector of length 1; of a complex one the longest component becomes real and positive.
pub(super) fn normalize<T: Real>(re: &mut [T], im: &mut [T], complex: bool) {
    let square = |i: usize| re[i] * re[i] + im[i] * im[i];
    let (mut sum, mut most, mut longest) = (T::ZERO, T::ZERO, 0);
    for i in 0..re.len() {
        sum += square(i);
        if square(i) > most {
            (most, longest) = (square(i), i);
        }
    }
    let unit = T::ONE / sum.root();
    let onto = unit / most.root();
    let factor = if complex { (re[longest] * onto, -im[longest] * onto) } else { (unit, T::ZERO) };
    for (re, im) in re.iter_mut().zip(im.iter_mut()) {
        (*re, *im) = times(factor, (*re, *im));
    }
    if complex {
        im[longest] = T::ZERO;
    }
}

/// `1 - tau v vᵀ` times the rows, from column `from` on.
fn reflect_rows<T: Real>(rows: &mut [T], n: usize, from: usize, tau: T, v: &[T], products: &mut [T]) {
    let products = &mut products[from..];
    products.fill(T::ZERO);
    for (row, &v) in rows.chunks_exact(n).zip(v) {
        products.iter_mut().zip(&row[from..]).for_each(|(sum, &x)| *sum += x * v);
    }
    for (row, &v) in rows.chunks_exact_mut(n).zip(v) {
        let factor = tau * v;
        row[from..].iter_mut().zip(&*products).for_each(|(x, &product)| *x -= factor * product);
    }
}

/// The reflection of two or three rows, in the columns.
fn reflect<T: Real>(
    by: &Reflection<T>,
    three: bool,
    rows: &mut [T],
    n: usize,
    columns: std::ops::Range<usize>,
) {
    let (first, rest) = rows.split_at_mut(n);
    let (second, third) = rest.split_at_mut(n);
    let pairs = first[columns.clone()].iter_mut().zip(&mut second[columns.clone()]);
    if three {
        for ((x, y), z) in pairs.zip(&mut third[columns]) {
            let product = (*x + by.second * *y + by.third * *z) * by.tau;
            *x -= product;
            *y -= product * by.second;
            *z -= product * by.third;
        }
    } else {
        for (x, y) in pairs {
            let product = (*x + by.second * *y) * by.tau;
            *x -= product;
            *y -= product * by.second;
        }
    }
}
