#!/usr/bin/env python3
"""Fits the tables of the provisional verdict (engine/media/amd.c: SAID_SHORTLY, WAITED_SHORTLY) to the
labelled corpus and prints them as the source has them. Method: logistic regression of "a machine" on two
broken lines, one over what was said, one over the pause since, with a penalty on their bends; persons
count as many as the corpus has of them (58 of 88), as an outbound campaign meets them. Each item counts
once for each length of pause it comes to. Of the corpus' sets two are fitted on; "flite" and "recorded"
are not.

usage: amd_fit.py AMD_CORPUS [--items N] [SEED ...]       (2000 items of seeds 101 and 102)
"""
import math
import subprocess
import sys

SAID = [200, 900, 1200, 1600, 2000, 3000]
WAITED = [160, 240, 400]
SETS = ["fitted", "voices"]
BEND = 50.0   # what a bend costs: the corpus has few texts, and their lengths are no law
STEP_MS = 20


def weights(knots, x):
    """Of each knot of a broken line at x."""
    x = min(max(x, knots[0]), knots[-1])
    out = [0.0] * len(knots)
    for i in range(len(knots) - 1):
        if knots[i] <= x <= knots[i + 1]:
            part = (x - knots[i]) / (knots[i + 1] - knots[i])
            out[i], out[i + 1] = 1 - part, part
            return out
    return out


def read(corpus, seeds, items):
    """{(talk_ms, pause_ms): [persons, machines]}"""
    cells = {}
    for name, seed in ((name, seed) for name in SETS for seed in seeds):
        run = subprocess.run([corpus, "--states", "--set", name, "--seed", str(seed), "--items", str(items)],
                             check=True, capture_output=True, text=True)
        for line in run.stdout.splitlines():
            word, truth, talk, pause = line.split()
            talk, pause = int(talk), int(pause)
            if word == "state" and WAITED[0] <= pause <= WAITED[-1]:
                cells.setdefault((talk, pause), [0, 0])[truth == "machine"] += 1
    return cells


def solve(a, b):
    """Gauss with pivots."""
    n = len(b)
    rows = [a[i][:] + [b[i]] for i in range(n)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(i + 1, n):
            f = rows[r][i] / rows[i][i]
            for c in range(i, n + 1):
                rows[r][c] -= f * rows[i][c]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][c] * x[c] for c in range(i + 1, n))) / rows[i][i]
    return x


def bends(knots, offset, size):
    """Second differences, as rows of coefficients."""
    for i in range(1, len(knots) - 1):
        row = [0.0] * size
        left, right = knots[i] - knots[i - 1], knots[i + 1] - knots[i]
        for k, w in ((i - 1, 300 / left), (i, -300 / left - 300 / right), (i + 1, 300 / right)):
            if offset + k >= 0:
                row[offset + k] += w
        yield row


def fit(cells):
    size = len(SAID) + len(WAITED) - 1    # the pause's line starts at 0: its first knot is no unknown
    steps = (WAITED[-1] - WAITED[0]) // STEP_MS + 1
    rows = [(weights(SAID, talk) + [-w for w in weights(WAITED, pause)[1:]], persons / steps, machines / steps)
            for (talk, pause), (persons, machines) in sorted(cells.items())]
    penalty = list(bends(SAID, 0, size))
    x = [0.0] * size
    for _ in range(40):
        gradient = [0.0] * size
        hesse = [[1e-6 if i == k else 0.0 for k in range(size)] for i in range(size)]
        for row, persons, machines in rows:
            p = 1 / (1 + math.exp(-sum(a * b for a, b in zip(row, x))))
            n = persons + machines
            for i, a in enumerate(row):
                if a:
                    gradient[i] += a * (machines - n * p)
                    for k, b in enumerate(row):
                        hesse[i][k] += a * b * n * p * (1 - p)
        for row in penalty:
            value = sum(a * b for a, b in zip(row, x))
            for i, a in enumerate(row):
                gradient[i] -= BEND * a * value
                for k, b in enumerate(row):
                    hesse[i][k] += BEND * a * b
        step = solve(hesse, gradient)
        x = [a + max(-1.0, min(1.0, b)) for a, b in zip(x, step)]
        if max(abs(b) for b in step) < 1e-6:
            break
    return x[:len(SAID)], [0.0] + x[len(SAID):]


def show(name, knots, values):
    points = ", ".join(f"{{{knot}, {round(100 * value)}}}" for knot, value in zip(knots, values))
    print(f"static const struct point {name}[] = {{{points}}};")


def main():
    args = sys.argv[1:]
    items = 2000
    if "--items" in args:
        at = args.index("--items")
        items = int(args[at + 1])
        del args[at:at + 2]
    if not args:
        sys.exit(__doc__)
    cells = read(args[0], [int(a) for a in args[1:]] or [101, 102], items)
    said, waited = fit(cells)
    show("SAID_SHORTLY", SAID, said)
    show("WAITED_SHORTLY", WAITED, waited)


main()
