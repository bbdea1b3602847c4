"""Machines: QEMU's command line, process and channels, and a replayed machine with the same face."""
