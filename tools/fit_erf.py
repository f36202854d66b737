"""Fits the rational approximation of erf in src/compute/cpu/simd_math.h:  erf(x) ~ x P(x^2) / Q(x^2) for |x| <= 3.92.

Linearised least squares in double precision, reweighted towards the points of largest relative error; prints the
coefficients (rounded to float32) and the largest error of the float32 evaluation. Needs numpy and scipy."""
import math

import numpy as np
from scipy.special import erf

CLAMP, P_DEGREE, Q_DEGREE = 3.92, 6, 5  # erf(3.92) rounds to 1 in float32


def fit():
    t = (1 - np.cos(np.linspace(0, math.pi, 4000))) / 2  # Chebyshev-spaced: dense at both ends
    x = CLAMP * t[1:]
    y, z, w = erf(x), x * x, np.ones(x.size)
    for step in range(60):
        columns = [x * z**i for i in range(P_DEGREE + 1)] + [-y * z**i for i in range(1, Q_DEGREE + 1)]
        a = np.stack(columns, 1) * (w / y)[:, None]
        norm = np.linalg.norm(a, axis=0)
        s = np.linalg.lstsq(a / norm, w, rcond=None)[0] / norm
        p, q = s[: P_DEGREE + 1], np.r_[1.0, s[P_DEGREE + 1 :]]
        qv = np.polyval(q[::-1], z)
        error = np.abs(x * np.polyval(p[::-1], z) / qv - y) / y
        w = 1 / np.abs(qv) if step < 5 else w * np.sqrt(1 + error / error.max())
    return p, q


def main():
    p, q = fit()
    x = np.linspace(-6, 6, 2000001).astype(np.float32)
    c = np.clip(x, np.float32(-CLAMP), np.float32(CLAMP))
    z = c * c
    value = c * np.polyval(p[::-1].astype(np.float32), z) / np.polyval(q[::-1].astype(np.float32), z)
    print("P", [float(np.float32(v)) for v in p])
    print("Q", [float(np.float32(v)) for v in q])
    print("largest float32 error", np.abs(value - erf(x.astype(np.float64))).max())


main()
