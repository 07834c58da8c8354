"""`make bench`: how fast the main job is, each figure beside what the bare means could do in the same run.

Machines differ and are shared, so a figure alone says little: every one stands beside a floor that was measured in
turn with it (the raw database driver writing the same rows, the least number of calls the channel allows), and what
counts is their ratio. CPU is that of our process, where SQLite runs too, and of PostgreSQL's server, told together and
ours alone; the simulated shop's is left out. Nothing here is a test, and no test asserts a time. docs/speed.md has the
figures of one run.

    python -m tests.bench                    everything, some twelve minutes
    python -m tests.bench --quick            a smoke run of everything, under a minute
    python -m tests.bench intake levels      only these parts
    python -m tests.bench --json             one JSON document

Exit code 1 when stock was oversold, transactions deadlocked or orders were lost: faults, whatever the speed.
"""
