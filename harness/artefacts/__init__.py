"""What is kept of a failed cycle, taken at the moment of failure; one file for each kind of artefact.

    collect.py   takes them all, each bounded in time, and says in artefacts.txt what was taken and what was not
    limits.py    holds a run's artefacts to a size: the oldest large ones go first

Each of the others turns a `Case`, which is the machine in trouble and its evidence, into files. docs/artefacts.md says
how to open them.
"""
