"""The claims of docs/statistics.md, simulated or enumerated at length: errors, coverage, sample sizes.

    .venv/bin/pytest benchmarks/test_validation.py -s

tests/ hold the same claims with fewer runs. Every line gives its own standard error, or "exact".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from harness.stats.compare import newcombe, upper_difference
from harness.stats.duration import quantile, ratio_of
from harness.stats.exact import p_beyond_margin, p_worse
from harness.stats.multiplicity import holm_adjusted
from harness.stats.planning import chance_of, log_e, simulate_stopping
from harness.stats.proportion import rate
from harness.stats.sequential import log_e_rate_above, log_e_rate_below
from harness.stats.trend import change_point, depth_trend, slope

RUNS = 5000
SEED = 20260101


def share(hits: int | float, runs: int) -> str:
    """A share in percent with its standard error."""
    p = hits / runs
    return f"{100 * p:.2f} % ± {100 * math.sqrt(max(p * (1 - p), 1e-9) / runs):.2f}"


def line(claim: str, nominal: str, found: str) -> str:
    """One row of the table."""
    return f"| {claim} | {nominal} | {found} |"


def exact_tests() -> Iterator[str]:
    def worse(*counts: int) -> bool:
        return p_worse(*counts) < 0.05

    grid = [(n, p) for n in (30, 100, 400) for p in (0.001, 0.005, 0.02, 0.1, 0.5)]
    errors = [chance_of(worse, n, (p, p), rising=True) for n, p in grid]
    yield line("equal arms called worse (Boschloo), 15 nulls", "≤ 5 %", f"at most {100 * max(errors):.2f} %, exact")

    for n, margin in ((40, 0.1), (299, 0.01), (700, 0.01)):

        def no_worse(*counts: int, margin: float = margin) -> bool:
            return p_beyond_margin(*counts, margin) < 0.05

        bases = (0.0, 0.0005, 0.002, 0.01, 0.05)
        errors = [chance_of(no_worse, n, (p + margin, p), rising=False) for p in bases]
        claim = f"worse by the margin of {100 * margin:g} % called no worse, {n} blocks, 5 nulls"
        yield line(claim, "≤ 5 %", f"at most {100 * max(errors):.2f} %, exact")

    def missed(*counts: int) -> bool:
        return upper_difference(*counts) < 0.1

    errors = [chance_of(missed, 60, (p + 0.1, p), rising=False) for p in (0.0, 0.02, 0.1)]
    yield line("upper limit of a difference misses, 60 blocks", "≤ 5 %", f"at most {100 * max(errors):.2f} %, exact")


def intervals() -> Iterator[str]:
    from scipy.stats import binom  # noqa: PLC0415

    worst = 1.0
    for n in (20, 100, 400):
        found = [rate(failed, n) for failed in range(n + 1)]
        low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
        for p in (0.001, 0.005, 0.02, 0.1, 0.5):
            worst = min(worst, float(binom.pmf(np.arange(n + 1), n, p)[(low <= p) & (p <= high)].sum()))
    yield line("exact interval of a rate covers, 15 cases", "≥ 95 %", f"at least {100 * worst:.2f} %, exact")
    worst, mean = 1.0, []
    for n in (50, 300):
        for p, q in ((0.02, 0.0), (0.02, 0.02), (0.1, 0.05)):
            a, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1))
            weight = binom.pmf(a, n, p) * binom.pmf(b, n, q)
            likely = weight > 1e-9
            covered = sum(
                float(w)
                for x, y, w in zip(a[likely], b[likely], weight[likely], strict=True)
                if newcombe(int(x), n, int(y), n)[0] <= p - q <= newcombe(int(x), n, int(y), n)[1]
            )
            worst, mean = min(worst, covered), [*mean, covered]
    found_text = f"{100 * np.mean(mean):.1f} % on average, at least {100 * worst:.1f} %, exact"
    yield line("Newcombe's interval covers, 6 cases (for showing)", "95 %", found_text)


def stopping() -> Iterator[str]:
    for p in (0.002, 0.02, 0.2):
        found = simulate_stopping(p, p, margin=1e-9, cap=3000, rng=np.random.default_rng(SEED), runs=RUNS)
        claim = f"equal arms at {100 * p:g} % called worse, looked at after each of 3,000 blocks"
        yield line(claim, "≤ 5 %", share(found.worse * RUNS, RUNS))
    for p, q in ((0.01, 0.0), (0.012, 0.002), (0.06, 0.05)):
        found = simulate_stopping(p, q, margin=0.01, cap=3000, rng=np.random.default_rng(SEED), runs=RUNS)
        claim = f"{100 * p:g} v {100 * q:g} % called no worse than 1 %, looked at all the time"
        yield line(claim, "≤ 5 %", share(found.no_worse * RUNS, RUNS))
    rng, runs, blocks = np.random.default_rng(SEED), 2000, 1000
    rates = np.clip(0.02 * np.exp(np.cumsum(rng.normal(0, 0.05, (runs, blocks)), axis=1)), 0.001, 0.2)
    ours, theirs = rng.random(rates.shape) < rates, rng.random(rates.shape) < rates
    valid = (rng.random(rates.shape) > 0.05) & (rng.random(rates.shape) > 0.05)
    above, below = np.cumsum(ours & ~theirs & valid, axis=1), np.cumsum(theirs & ~ours & valid, axis=1)
    called = log_e(above, np.cumsum(valid, axis=1) - above - below, below, 0.0) >= math.log(20)
    claim = "the same, rates drifting from 0.1 to 20 %, 5 % of cycles invalid"
    yield line(claim, "≤ 5 %", share(int(called.any(axis=1).sum()), runs))
    ours, theirs = rng.random((runs, blocks)) < 0.06, rng.random((runs, blocks)) < 0.02
    above, below = np.cumsum(ours & ~theirs, axis=1), np.cumsum(theirs & ~ours, axis=1)
    same = np.arange(1, blocks + 1) - above - below
    missed = (log_e(above, same, below, 0.04) >= math.log(40)) | (log_e(below, same, above, -0.04) >= math.log(40))
    claim = "every interval of 1,000 looks covers (6 v 2 %)"
    yield line(claim, "≥ 95 %", share(runs - int(missed.any(axis=1).sum()), runs))
    for name, evidence in (("meet", log_e_rate_below), ("miss", log_e_rate_above)):
        called_rate = 0
        for _ in range(1000):
            failed = np.cumsum(rng.random(600) < 0.02)
            looks = {*np.flatnonzero(np.diff(failed)), *range(19, 600, 20)}
            called_rate += any(evidence(int(failed[at]), int(at) + 1, 0.02) >= math.log(20) for at in looks)
        claim = f"an arm at its specification said to {name} it"
        yield line(claim, "≤ 5 %", share(called_rate, 1000))
    for p, q, published in ((0.02, 0.0, "293 (Turner and others' two-stream e-process)"), (0.0, 0.0, "309 (the same)")):
        found = simulate_stopping(p, q, margin=0.01, cap=5000, rng=np.random.default_rng(SEED), runs=RUNS)
        claim = f"blocks until settled, {100 * p:g} v {100 * q:g} %, margin 1 %"
        yield line(claim, published, f"{found.mean:.0f} ± {found.error:.0f} on average")


def timings() -> Iterator[str]:
    rng = np.random.default_rng(SEED)
    first = np.array([0, 3] * 10) + np.repeat(np.arange(10) * 4, 2)
    second = np.array([1, 2] * 10) + np.repeat(np.arange(10) * 4, 2)
    for name, memory, drift in (
        ("steady", 0.0, 0.0),
        ("remembers (AR 0.9)", 0.9, 0.0),
        ("slows down by half", 0.9, 0.4),
    ):
        covered, runs = 0, 2000
        for _ in range(runs):
            speed = np.zeros(40)
            for cycle in range(1, 40):
                speed[cycle] = memory * speed[cycle - 1] + rng.normal(0, 0.05)
            times = np.exp(speed + np.linspace(0, drift, 40) + rng.normal(0, 0.05, 40))
            found = ratio_of(0.8 * times[first], times[second])
            covered += found.low <= 0.8 <= found.high
        yield line(
            f"ratio of times covers, 20 blocks, a host that {name}"
            if memory
            else f"ratio of times covers, 20 blocks, a {name} host",
            "95 %",
            share(covered, runs),
        )
    samples = rng.lognormal(3, 0.5, (RUNS, 40))
    covered = sum(q.low <= math.exp(3) <= q.high for q in (quantile(sample, 0.5) for sample in samples))
    yield line("interval of a median covers, 40 times", "≥ 95 %", share(covered, RUNS))


def advice() -> Iterator[str]:
    rng = np.random.default_rng(SEED)
    depths = np.arange(200) % 10
    hits = sum((depth_trend(depths, rng.random(200) < 0.05).p_value or 1) < 0.05 for _ in range(2000))
    yield line("failures that do not rise with depth said to", "≤ 5 %", share(hits, 2000))
    hits = sum(slope(np.arange(40) % 8, rng.normal(size=40)).is_shown for _ in range(2000))
    yield line("slope of zero shown", "5 %", share(hits, 2000))
    hits = sum(change_point(rng.normal(size=100)) is not None for _ in range(RUNS))
    yield line("change found in steady times", "≤ 1 %", share(hits, RUNS))
    wrong = sum(min(holm_adjusted([*rng.uniform(size=10), *rng.beta(0.1, 5, 10)])[:10]) < 0.05 for _ in range(RUNS))
    yield line("any of 10 equal cells of 20 called worse (Holm)", "≤ 5 %", share(wrong, RUNS))


@pytest.mark.parametrize("rows", [exact_tests, intervals, stopping, timings, advice], ids=lambda rows: rows.__name__)
def test_validation(capsys, rows: Callable[[], Iterator[str]]):
    with capsys.disabled():
        print()
        for row in rows():
            print(row, flush=True)
