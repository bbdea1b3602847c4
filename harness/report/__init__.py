"""What a run found, for people and for programs.

`summarise` turns records into a `Report`; every format is a file of this folder with a `NAME`, a `FILE_NAME` (None
if it is not kept as a file) and `render(report) -> bytes`. Formats escape what comes from the guest themselves.
"""
