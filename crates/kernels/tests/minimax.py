"""Minimax polynomials of src/elementary.rs (needs mpmath).

Each is a Remez exchange on a weighted linear basis: find coefficients c that minimise the largest
|w(x) * (sum_k c_k x^k - f(x))| over [a, b]. The weight turns the error into the relative error of
the function that the kernel computes.
"""

from mpmath import atan, cos, exp, expm1, linspace, log, lu_solve, matrix, mp, mpf, pi, sqrt

mp.dps = 40


def remez(f, w, a, b, degree, rounds=30, grid=4000):
    count = degree + 2
    nodes = [(a + b) / 2 - (b - a) / 2 * cos(pi * k / (count - 1)) for k in range(count)]
    points = linspace(a, b, grid)
    for _ in range(rounds):
        system = matrix(count, count)
        right = matrix(count, 1)
        for i, x in enumerate(nodes):
            for k in range(degree + 1):
                system[i, k] = x**k
            system[i, degree + 1] = (-1) ** i / w(x)
            right[i] = f(x)
        solution = lu_solve(system, right)
        c = [solution[k] for k in range(degree + 1)]

        def error(x):
            return w(x) * (mp.polyval(c[::-1], x) - f(x))

        values = [error(x) for x in points]
        # One extremum per run of equal signs.
        new, run = [], [0]
        for i in range(1, len(points)):
            if values[i] * values[run[-1]] < 0:
                new.append(points[max(run, key=lambda j: abs(values[j]))])
                run = [i]
            else:
                run.append(i)
        new.append(points[max(run, key=lambda j: abs(values[j]))])
        if len(new) != count:
            break
        if max(abs(p - q) for p, q in zip(new, nodes)) < mpf(10) ** -20:
            break
        nodes = new
    return c, max(abs(v) for v in values)


def show(name, c, error):
    print(f"{name}: largest relative error {mp.nstr(error, 3)}")
    for k, value in enumerate(c):
        print(f"  c{k} = {mp.nstr(value, 12)}")


half = log(2) / 2
# exp(r) = 1 + r + r^2 q(r); the weight makes the error relative to exp(r).
c, e = remez(
    lambda r: (expm1(r) - r) / r**2 if abs(r) > mpf(10) ** -8 else mpf(1) / 2 + r / 6,
    lambda r: r**2 / exp(r) + mpf(10) ** -12,
    -half,
    half,
    degree=4,
)
show("exp on [-ln(2)/2, ln(2)/2]", c, e)


def atan_tail(y):
    # (atan(t) - t) / t^3 with y = t^2.
    if y < mpf(10) ** -8:
        return -mpf(1) / 3 + y / 5
    t = sqrt(y)
    return (atan(t) - t) / (t * y)


# atan(t) = t + t^3 q(t^2) for |t| <= 1; the weight makes the error relative to atan(t).
c, e = remez(
    atan_tail,
    lambda y: y * (sqrt(y) / atan(sqrt(y)) if y > 0 else 1) + mpf(10) ** -12,
    mpf(0),
    mpf(1),
    degree=7,
)
show("atan on [-1, 1]", c, e)
