"""Entry point of ``cdr-pipeline`` and of ``python -m cdr_pipeline``."""

import signal
import sys
import threading

# Long enough for Python to have left the destructor that swallowed Ctrl-C.
_AGAIN_SECONDS = 0.05
# By name: Dagster, which replaces Ctrl-C by an error of its own during a run, is slow to import.
_INTERRUPTIONS = frozenset({"KeyboardInterrupt", "DagsterExecutionInterruptedError"})


def main() -> None:
    """Runs the command line. Ctrl-C while it is still being imported ends the process without a traceback."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cdr_pipeline.cli import main as run  # noqa: PLC0415 - after Ctrl-C is handled

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = interrupt_again
    run()


def interrupt_again(ignored: "sys.UnraisableHookArgs", /) -> None:
    """Sends Ctrl-C again if it came during a destructor or a callback of one, where Python ignores all errors."""
    if ignored.exc_type.__name__ in _INTERRUPTIONS:
        # To the main thread, so that it ends its wait, if it waits.
        main_thread = threading.main_thread().ident or 0
        timer = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, [main_thread, signal.SIGINT])
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(ignored)


if __name__ == "__main__":
    main()
