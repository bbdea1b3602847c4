"""The order of cycles: balanced, mirrored, reproducible."""

from __future__ import annotations

import itertools
from collections import Counter

from harness.campaign.plan import nonce_of, plan
from harness.lab import methods

ARMS = [methods()["kexec"], methods()["cold"]]


def names(seed: int, blocks: int = 40, cell: str = "cell") -> list[str]:
    return [slot.method.name for slot in plan(ARMS, blocks, seed, cell)]


def test_every_block_has_each_arm_once():
    slots = list(plan(ARMS, 25, 1, "cell"))
    assert Counter((slot.block, slot.method.name) for slot in slots) == Counter(
        (block, name) for block in range(25) for name in ("kexec", "cold")
    )
    assert [slot.cycle for slot in slots] == list(range(50))
    assert [slot.order for slot in slots] == [0, 1] * 25


def test_blocks_come_in_mirrored_twos_drawn_at_random():
    order = names(seed=7)
    quads = {tuple(order[start : start + 4]) for start in range(0, 80, 4)}
    assert quads == {("kexec", "cold", "cold", "kexec"), ("cold", "kexec", "kexec", "cold")}


def test_a_chain_has_its_arm_in_a_row_and_never_runs_into_the_next_one_of_it():
    slots = list(plan(ARMS, 10, 3, "cell", chain=4))
    runs = [(name, len(list(group))) for name, group in itertools.groupby(slot.method.name for slot in slots)]
    assert [length for _, length in runs] == [4, 4, 4, 4, 2, 2]
    assert len({name for name, _ in runs[::2]}) == 1
    assert Counter((slot.block, slot.method.name) for slot in slots) == Counter(
        (block, name) for block in range(10) for name in ("kexec", "cold")
    )
    assert [slot.cycle for slot in slots] == list(range(20))


def test_the_same_seed_gives_the_same_order_and_another_does_not():
    assert names(seed=3) == names(seed=3)
    assert names(seed=3) != names(seed=4)
    assert names(seed=3) != names(seed=3, cell="another cell")


def test_the_plan_of_a_seed_does_not_change_between_releases():
    assert names(seed=1, blocks=4) == ["kexec", "cold", "cold", "kexec", "cold", "kexec", "kexec", "cold"]
    assert nonce_of(1, "cell", 0) == "49a1d643521fd5c6"


def test_nonces_differ_from_cycle_to_cycle():
    assert len({nonce_of(1, "cell", cycle) for cycle in range(1000)}) == 1000
