# SPDX-License-Identifier: Apache-2.0
"""Measures time, memory and I/O of a command."""
import os, resource, subprocess, sys, time


def io():
    """Returns the bytes that ended children have read and written."""
    with open("/proc/self/io") as file:
        fields = dict(line.split(": ") for line in file)
    return int(fields["rchar"]), int(fields["wchar"])


def measure(command, cold=False):
    """Runs a shell command in a separate process, so that only the memory of its children counts.

    Returns the wall and the user+sys time in seconds, the peak memory of the largest process in KiB, and the bytes that
    were read and written.
    """
    if cold:
        subprocess.run(["sync"], check=True)
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        before, begin = io(), time.monotonic()
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], stdout=subprocess.DEVNULL)
        wall, usage, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN), io()
        figures = (wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, after[0] - before[0], after[1] - before[1])
        os.write(writer, " ".join(map(str, figures)).encode())
        os._exit(done.returncode)
    os.close(writer)
    text = os.read(reader, 4096)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if status != 0:
        sys.exit(f"failed: {command}")
    return [float(word) for word in text.split()]
