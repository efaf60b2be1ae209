"""Become another program, as the right user, and die with the parent: a tiny step between fork and exec.

Usage: python -I -S launch.py PARENT_PID DEATH_SIGNAL UID|- GID|- reach|- PROGRAM ARGUMENTS…

Run as a file, isolated (this folder must not be on the module path: it has a `token.py`). Standard library only.
Linux: the kernel sends SIGNAL when the parent's thread ends, also after `kill -9`; so start children from a thread
that lives as long as they may. Elsewhere only the supervisor's guardian does that.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _held_capabilities() -> int:
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 -- pathlib would double this program's start
        for line in status:
            if line.startswith("CapPrm:"):
                return int(line.split()[1], 16)
    return 0


def _keep_only_reach(libc: ctypes.CDLL, capability: int) -> None:
    """Keep, across exec, the one right to walk through folders that are closed to others."""
    mask = 1 << capability
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)(_CapabilityData(mask, mask, mask), _CapabilityData(0, 0, 0))
    _check(libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT)")


def _become(libc: ctypes.CDLL, uid: int, gid: int, *, reach: bool) -> None:
    capability = CAP_DAC_OVERRIDE
    if reach:
        if _held_capabilities() & (1 << CAP_DAC_READ_SEARCH):
            capability = CAP_DAC_READ_SEARCH
        # Keeps capabilities over the change of user, and makes access(2) count them (initdb finds `postgres` by it).
        _check(libc.prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0), "prctl(PR_SET_SECUREBITS)")
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if reach:
        _keep_only_reach(libc, capability)


def main() -> None:
    """Replace this process; on failure say why on stderr and exit 126 (127: no such program)."""
    parent, death_signal, uid, gid, reach, *program = sys.argv[1:]
    try:
        linux = sys.platform == "linux"
        libc = ctypes.CDLL(None, use_errno=True)
        if uid != "-":
            _become(libc, int(uid), int(gid), reach=linux and reach == "reach")
        if linux:
            # After the change of user: that clears the flag.
            _check(libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != int(parent):
            sys.exit(125)  # the parent died before the flag was set
        os.execv(program[0], program)  # noqa: S606 -- no shell is wanted
    except FileNotFoundError as error:
        print(f"cannot start {program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)
    except OSError as error:
        print(f"cannot start {program[0]}: {error}", file=sys.stderr)
        sys.exit(126)


if __name__ == "__main__":
    main()
