"""Faults: one file each, found by `harness.registry`: how a reboot is spoilt, and the verdict it must get."""
