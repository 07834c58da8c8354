"""The command line: one command group a file, `app.build` puts them together.

A command reads its arguments, calls one thing of `core.sync`, prints what came of it and ends with its exit code:
0 done, 1 a check failed, 2 wrong usage or configuration, 3 a channel needs attention, 4 the store is unreachable.
"""
