"""What the daemon serves: the address that channels call when something changed, and whether it is well.

`server.py` speaks HTTP and lets nobody take its time or memory; `receiver.py` knows the addresses; `inbox.py` writes
what came into the store before anybody is told so; `listeners.py` empties the queues of channels that have one.
"""
