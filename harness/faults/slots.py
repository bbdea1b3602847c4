"""Names in the self-test's machine, by which faults plug devices in and out."""

from __future__ import annotations

#: PCI Express slot in which nothing is plugged
FREE_SLOT = "slot-free"
#: id of the network card, and the slot that it is in
CARD = "card"
CARD_SLOT = "slot-card"
