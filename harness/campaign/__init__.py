"""Campaigns: the order of the cycles, their records, and the loop that carries them out."""
