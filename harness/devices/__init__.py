"""Device sets: one file per family, found by `harness.registry`. A set is argv plus what the guest must show."""
