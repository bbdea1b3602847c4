"""Reboot methods: one file each, found by `harness.registry`. A method is one arm of the comparison."""
