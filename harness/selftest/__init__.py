"""The self-test: the harness against reboots that are made to go wrong, each of which must get its verdict."""
