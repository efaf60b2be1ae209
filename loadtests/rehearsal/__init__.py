"""The generator of a rehearsal: a district's teachers in one process, inside Locust. Begin with engine.py.

One greenlet, one timer wheel and a pool of kept-alive sockets carry all teachers of a process; Locust starts and stops
them by the lane (lanes.py), draws the curve (shape.py) and carries the figures between processes (collector.py).
"""
