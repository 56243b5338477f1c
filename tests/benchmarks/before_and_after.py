"""Runs a benchmark with a previous version and with this one, and prints both with their processor seconds.

    python tests/benchmarks/before_and_after.py [--before v1.2] [--rounds 1] warehouse --rows 200000

The previous version is checked out from git into a temporary folder. It runs with the libraries of this environment.
Processor seconds are those of all processes that the benchmark has started, its database servers included: they say
more than seconds on a machine that does other work too. Linux only.
"""

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PR_SET_CHILD_SUBREAPER = 36


def adopt_servers() -> None:
    """Makes this process the parent of servers that outlive their own, so that it learns their processor time.

    Raises:
        OSError: the system does not support it.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def processor_seconds() -> float:
    """Processor seconds of all processes that have ended; waits for those that still run."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            return used.ru_utime + used.ru_stime


def run(name: str, version: Path, benchmark: str, arguments: list[str]) -> float:
    """Runs a benchmark with one version, prints its lines, and returns its processor seconds.

    A benchmark that the version does not have is this version's.

    Raises:
        CalledProcessError: the benchmark failed.
    """
    already = processor_seconds()
    script = version / "tests" / "benchmarks" / f"{benchmark}.py"
    if not script.exists():
        script = ROOT / "tests" / "benchmarks" / script.name
    environment = os.environ | {"PYTHONPATH": str(version)}
    with subprocess.Popen(
        [sys.executable, str(script), *arguments], cwd=script.parent, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            print(f"{name:7s} {text.rstrip()}", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, benchmark)
    used = processor_seconds() - already
    print(f"{name:7s} {used:.1f} processor seconds in all, load {os.getloadavg()[0]:.1f}", flush=True)
    return used


def main() -> None:
    """Prints the lines of both versions, and the ratio of their processor seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="HEAD~1", help="revision to compare with")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("benchmark", help="name of a script in this folder, without .py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the benchmark")
    given = parser.parse_args()
    adopt_servers()
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "--quiet", str(before), given.before], check=True)
        try:
            for _ in range(given.rounds):
                earlier = run("before", before, given.benchmark, given.arguments)
                now = run("now", ROOT, given.benchmark, given.arguments)
                print(f"now / before: {now / earlier:.2f} of the processor seconds", flush=True)
        finally:
            subprocess.run([*git, "remove", "--force", str(before)], check=True)


if __name__ == "__main__":
    main()
