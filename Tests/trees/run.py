#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.py MKPIIMG TREES [SEED] - build images of random trees, and find the trees again with the kernel and mkpiimg.

Each seed determines the trees of one image (store paths, root files, copies), its geometry and its format. The script
then compares the root filesystem, name by name and byte by byte, with the content expected from the host's directories:

    trees ──▶ mkpiimg ──▶ e2fsck, silent
                     ├──▶ the kernel's mount        ─┐
                     ├──▶ mkpiimg ls --json          ├─ all equal to the trees
                     ├──▶ mkpiimg extract            │
                     └──▶ mkpiimg verify, no errors ─┘

Seeds are tried in order, beginning with SEED (by default a random one), until there were TREES trees; an image has
about three. `run.py MKPIIMG 1 SEED` repeats one seed alone. Without root access or loop devices, debugfs is used
instead of the kernel, which the output reports. TREES_KEEP=DIRECTORY keeps the trees of a failed image there.
"""

import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from judge import Failure, Judge, can_mount

STATE = {}
MAXIMUM_FAILURES = 10
EXPECTED = ["deep", "huge directory", "full directory", "links", "holes", "4 GiB", "2 TiB", "empty", "family", "large",
            "frame edges", "65,000 names", "59-byte target", "60-byte target", "4095-byte target", "compressed",
            "default frames"]


def prepare(mkpiimg, top, mounts):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.setrecursionlimit(10_000)  # trees are deep
    directory = tempfile.mkdtemp(prefix="w", dir=top)
    STATE["judge"] = Judge(mkpiimg, os.fsencode(directory), mounts)


def attempt(seed):
    try:
        return seed, STATE["judge"].judge(seed), None
    except Failure as failure:
        return seed, None, str(failure)
    except Exception:  # of this script
        return seed, None, f"seed {seed}: {traceback.format_exc()}"


class Trial:
    """Tries seeds in parallel, until there were enough trees or too many failures."""

    def __init__(self, wanted, first):
        self.wanted, self.first, self.last = wanted, first, first
        # Among `wanted` trees a kind may be missing by chance; among twice as many it should not be.
        self.expected = EXPECTED if wanted >= 1000 else []
        self.totals = {"images": 0, "trees": 0}
        self.failures = []

    def run(self, mkpiimg, top, mounts):
        processes = os.cpu_count() or 1
        turns = threading.Semaphore(2 * processes)

        def seeds():
            for seed in itertools.count(self.first):
                turns.acquire()
                if (self.has_enough() or self.wanted == 1 and seed > self.first
                        or len(self.failures) >= MAXIMUM_FAILURES):
                    return
                yield seed

        with multiprocessing.Pool(processes, prepare, (mkpiimg, top, mounts)) as pool:
            try:
                for seed, seen, failure in pool.imap_unordered(attempt, seeds()):
                    self.take(seed, seen, failure)
                    turns.release()
            finally:
                # Ends the generator of seeds, which may be waiting for a turn.
                self.wanted = 0
                turns.release()

    def has_enough(self):
        trees = self.totals["trees"]
        return trees >= self.wanted and (not self.missing() or trees >= 2 * self.wanted)

    def missing(self):
        return [kind for kind in self.expected if kind not in self.totals]

    def take(self, seed, seen, failure):
        self.last = max(self.last, seed)
        if failure:
            self.failures.append(seed)
            print(f"FAILED: {failure}\n  repeat it: {sys.argv[0]} {sys.argv[1]} 1 {seed}", flush=True)
        for key, value in (seen or {}).items():
            self.totals[key] = self.totals.get(key, 0) + value


def remove(top):
    with open("/proc/mounts") as lines:
        mounted = [line.split()[1] for line in lines if line.split()[1].startswith(top + "/")]
    for mount_point in mounted:
        subprocess.run(["umount", "-l", mount_point], check=False)
    for directory, _, _ in os.walk(top):
        os.chmod(directory, 0o700)
    shutil.rmtree(top, ignore_errors=True)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    first = int(sys.argv[3]) if len(sys.argv) == 4 else int.from_bytes(os.urandom(4), "little")
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    top = tempfile.mkdtemp(prefix="mkpiimg-trees-", dir=memory)
    began = time.monotonic()
    trial = Trial(int(sys.argv[2]), first)
    try:
        mounts = can_mount(top)
        if not mounts:
            print("NOT MOUNTED: no root access or no loop devices. debugfs and mkpiimg's own reader are used instead.",
                  flush=True)
        print(f"seeds from {first} on", flush=True)
        trial.run(os.path.abspath(sys.argv[1]), top, mounts)
    finally:
        remove(top)
    print(f"seeds {first} to {trial.last}: " + ", ".join(f"{value:,} {key}" for key, value in trial.totals.items()))
    print(f"{time.monotonic() - began:.0f} s, {len(trial.failures)} failures")
    missing = trial.missing()
    if missing:
        print("FAILED: there were no trees of these kinds: " + ", ".join(missing))
    sys.exit(1 if trial.failures or missing else 0)


if __name__ == "__main__":
    main()
