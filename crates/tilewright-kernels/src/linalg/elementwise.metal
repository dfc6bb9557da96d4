// One element of each matrix a thread. x lies as the output does where it is read as [i, j], and is square where it is read as [j, i].
const uint e = thread_position_in_grid.x;
const uint item = e / (m * n), i = e / n % m, j = e % n;
const S here = x[e];
S value = here;
switch (step) {
case 0: value = int(j) - int(i) <= offset ? here : S(0); break;
case 1: value = int(j) - int(i) >= offset ? here : S(0); break;
case 2: value = i > j ? here : i == j ? here / S(2) : S(0); break;
case 3: value = (here + x[(item * n + j) * n + i]) / S(2); break;
case 4: value = i >= j ? here : x[(item * n + j) * n + i]; break;
case 5: value = y[item] * x[(item * n + j) * n + i]; break;
case 6: value = here / s[item * m + i]; break;
case 7: value = here * s[item * m + i]; break;
case 8: {
    const S skew = here - x[(item * n + j) * n + i];
    const S gap = S(2) * (s[item * n + j] - s[item * n + i]);
    value = i == j ? y[item * n + i] : skew / gap;
    break;
}
case 9: {
    // x is uᵀ du, z is vᵀ dv.
    const S left = s[item * n + i], right = s[item * n + j];
    const S other = z[(item * n + j) * n + i];
    const S gap = (right - left) * (right + left);
    value = i == j ? y[item * n + i] : ((here - x[(item * n + j) * n + i]) * right + left * (z[e] - other)) / gap;
    // What the projections beside the vectors take away.
    if (offset & 1) value -= here / right;
    if (offset & 2) value -= other / left;
    break;
}
case 10: value = s[item * m + i] > S(offset) ? z[e] : here; break;
case 11: value = s[0] * here + s[1] * y[e] + s[2] * z[e] + (i == j ? s[3] : S(0)); break;
case 12: {
    const S sum = S(2) * (s[item * n + i] + s[item * n + j]);
    value = i == j ? S(0) : (here - x[(item * n + j) * n + i]) / sum;
    break;
}
}
out[e] = value;
