"""Runs the server so that SIGTERM always ends it with exit code 0.

The program is PID 1 in its container: the kernel delivers a signal to PID 1 only if there is a handler, so ours is
installed before the imports that take long. uvicorn puts its own in place while it serves, finishes open requests, and
raises the signal again when it is done; then ours is called.
"""

import os
import signal
import sys


def stop(_signal_number, _frame):
    sys.exit(0)


def main():
    signal.signal(signal.SIGTERM, stop)
    import uvicorn

    from app.main import app
    from app.settings import Settings

    uvicorn.run(
        app,
        host="0.0.0.0",
        port=int(os.environ.get("PORT", "8000")),
        log_level=Settings.from_environment().log_level,
        access_log=False,
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
