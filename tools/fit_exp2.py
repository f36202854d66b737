"""Fits the polynomial of 2^f on [0, 1] in src/compute/cpu/vector_math.h: the minimax one in relative error, by
Remez's exchange on a grid, in plain Python. Prints the coefficients rounded to float32 and the largest error."""
import math
import struct

DEGREE = 5


def float32(v):
    return struct.unpack("f", struct.pack("f", v))[0]


def solve(rows):
    n = len(rows)
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            share = rows[r][i] / rows[i][i]
            rows[r] = [a - share * b for a, b in zip(rows[r], rows[i])]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][k] * x[k] for k in range(i + 1, n))) / rows[i][i]
    return x


def value(p, f):
    total = 0.0
    for c in reversed(p):
        total = total * f + c
    return total


def fit():
    points = [(1 - math.cos(math.pi * i / (DEGREE + 1))) / 2 for i in range(DEGREE + 2)]
    grid = [i / 20000 for i in range(20001)]
    for _ in range(20):
        rows = [[(x**k) / 2**x for k in range(DEGREE + 1)] + [(-1) ** i, 1.0] for i, x in enumerate(points)]
        p = solve(rows)[: DEGREE + 1]
        error = [value(p, x) / 2**x - 1 for x in grid]
        extremes, start = [], 0  # the largest error of each stretch of one sign
        for i in range(1, len(grid) + 1):
            if i == len(grid) or (error[i] > 0) != (error[start] > 0):
                extremes.append(max(range(start, i), key=lambda k: abs(error[k])))
                start = i
        if len(extremes) != DEGREE + 2:
            break
        points = [grid[i] for i in extremes]
    return p


def main():
    p = [float32(c) for c in fit()]
    grid = [i / 100000 for i in range(100001)]
    print(["%.9g" % c for c in p])
    print("largest relative error", max(abs(value(p, x) / 2**x - 1) for x in grid))


main()
