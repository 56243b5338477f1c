"""Entry point of ``cdr-pipeline`` and of ``python -m cdr_pipeline``."""

import signal


def main() -> None:
    """Runs the command line. Ctrl-C while it is still being imported ends the process without a traceback."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cdr_pipeline.cli import main as run  # noqa: PLC0415 - after Ctrl-C is handled

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
