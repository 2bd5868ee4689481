"""Mounts a fresh working folder when asked; the only one inside with the power to."""

import ctypes
import os
import sys

CONTROL = 3
NOSUID, NODEV, NOEXEC, DETACH = 2, 4, 8, 2


def fresh(libc, folder, options):
    libc.umount2(folder, DETACH)
    if libc.mount(b"tmpfs", folder, b"tmpfs", NOSUID | NODEV | NOEXEC, options) == 0:
        return 0
    return ctypes.get_errno()


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    folder = sys.argv[1].encode()
    while True:
        options = os.read(CONTROL, 1024)
        if not options:
            os._exit(0)
        os.write(CONTROL, fresh(libc, folder, options).to_bytes(4, "little"))


main()
