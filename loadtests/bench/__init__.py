"""What `inkfast bench` measures with and against: a load generator, and the plain alternatives to the save path.

Black-box like all of loadtests: nothing here imports the application. `ops/bench/command.py` starts these programs, and
the service, and compares.
"""
