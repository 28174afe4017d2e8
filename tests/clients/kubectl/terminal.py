#!/usr/bin/env python3
"""kubectl on a terminal: exec -it, run -it --rm, attach -it, debug -it, with keys typed and the screen read.

Usage: terminal.py (KUBECTL names the program, KUBECONFIG the cluster, which runs ten times faster than real time).
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

KUBECTL = os.environ.get("KUBECTL", "kubectl")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *words):
        self.words, self.seen = words, ""
        self.process, self.master = pty.fork()
        if self.process == 0:
            os.execvp(KUBECTL, [KUBECTL, *words])
        self.size(24, 80)

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return None
        self.seen += data.decode(errors="replace")
        return bool(data) or None

    def expect(self, pattern, seconds=30):
        """Waits until the screen shows it; what was shown up to there is forgotten."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            if time.monotonic() > end or self.read(0.2) is None:
                sys.exit(f"FAILED: {' '.join(self.words)}: no {pattern!r} in {self.seen!r}")
        self.seen = self.seen[found.end():]
        return found

    def ends(self, code, seconds=30):
        end = time.monotonic() + seconds
        while self.read(0.2) is not None:
            if time.monotonic() > end:
                sys.exit(f"FAILED: {' '.join(self.words)} does not end: {self.seen!r}")
        found = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        if found != code:
            sys.exit(f"FAILED: {' '.join(self.words)} ended with {found}, not {code}: {self.seen!r}")


def kubectl(*words, **more):
    return subprocess.run([KUBECTL, *words], capture_output=True, text=True, check=False, timeout=60, **more)


def prepare():
    kubectl("create", "deployment", "terminal-web", "--image", "nginx", "--port", "80")
    kubectl("expose", "deployment", "terminal-web", "--port", "80")
    kubectl("run", "terminal-box", "--image", "busybox", "--command", "--", "sleep", "36000")
    kubectl("run", "terminal-redis", "--image", "redis")
    done = kubectl("wait", "--for=condition=Ready", "pod/terminal-box", "pod/terminal-redis", "--timeout=50s")
    if done.returncode != 0:
        sys.exit(f"FAILED: {done.stdout}{done.stderr}")


def shell():
    screen = Terminal("exec", "-it", "terminal-box", "--", "sh")
    screen.expect(r"/ # $")
    screen.type("hostnamee\x7f\r")
    screen.expect(r"hostnamee\x08 \x08\r\nterminal-box\r\n/ # $")
    screen.size(50, 132)
    screen.type("cd /tmp\r")
    screen.expect(r"/tmp # $")
    screen.type("X=kept\r")
    screen.expect(r"/tmp # $")
    screen.type("echo $X > file; cat file\r")
    screen.expect(r"\r\nkept\r\n/tmp # $")
    screen.type("sleep 36000\r")
    screen.expect("\r\n")
    screen.type("\x03")
    screen.expect(r"\^C\r\n/tmp # $")
    screen.type("echo code $?\r")
    screen.expect(r"code 130\r\n/tmp # $")
    screen.type("while true; do wget -qO- http://terminal-web >/dev/null && echo fine; sleep 5; done\r")
    screen.expect("fine\r\nfine\r\n")
    screen.type("\x03")
    screen.expect(r"/tmp # $")
    screen.type("half a line\x03")
    screen.expect(r"\^C\r\n/tmp # $")
    screen.type("\x1b[A\x1b[A")
    screen.expect(r"echo code \$\?")
    screen.type("\x15false\r")
    screen.expect(r"/tmp # $")
    screen.type("\x04")
    screen.ends(1)


def exit_codes():
    screen = Terminal("exec", "-it", "terminal-box", "--", "sh")
    screen.expect(r"/ # $")
    screen.type("exit 7\r")
    screen.expect("command terminated with exit code 7")
    screen.ends(7)
    screen = Terminal("exec", "-it", "terminal-box", "--", "sh", "-c", "echo begun; sleep 36000")
    screen.expect("begun")
    screen.type("\x03")
    screen.expect("command terminated with exit code 130")
    screen.ends(130)


def redis():
    screen = Terminal("exec", "-it", "terminal-redis", "--", "redis-cli")
    screen.expect(r"127.0.0.1:6379> $")
    screen.type("incr visits\r")
    screen.expect(r"\(integer\) 1\r\n127.0.0.1:6379> $")
    screen.type("exit\r")
    screen.ends(0)


def run_and_attach():
    screen = Terminal("run", "terminal-once", "-it", "--rm", "--image", "busybox", "--", "sh")
    screen.expect("If you don't see a command prompt, try pressing enter", 40)
    screen.type("\r")
    screen.expect(r"/ # $")
    screen.type("wget -qO- http://terminal-web | grep title\r")
    screen.expect("<title>Welcome to nginx!</title>")
    screen.type("exit\r")
    screen.expect('pod "terminal-once" deleted')
    screen.ends(0)
    kubectl("run", "terminal-kept", "-i", "--tty", "--image", "busybox", "--restart", "Never", "--attach=false",
            "--overrides", '{"spec":{"containers":[{"name":"terminal-kept","image":"busybox","stdin":true,"tty":true}]}}')
    kubectl("wait", "--for=condition=Ready", "pod/terminal-kept", "--timeout=50s")
    for line, shown in (("A=1", "/ # $"), ("echo [$A]", r"\[1\]\r\n/ # $")):
        screen = Terminal("attach", "-it", "terminal-kept")
        screen.expect("try pressing enter")
        screen.type("\r")
        screen.expect(r"/ # $")
        screen.type(line + "\r")
        screen.expect(shown)
        os.kill(screen.process, 9)
        os.waitpid(screen.process, 0)


def debug():
    screen = Terminal("debug", "-it", "terminal-box", "--image", "busybox", "-c", "helper")
    screen.expect("try pressing enter", 40)
    screen.type("\r")
    screen.expect(r"/ # $")
    screen.type("hostname\r")
    screen.expect("terminal-box\r\n/ # $")
    screen.type("\x04")
    screen.ends(0)
    screen = Terminal("debug", "-it", "node/docker-desktop", "--image", "busybox")
    screen.expect("try pressing enter", 40)
    screen.type("\r")
    screen.expect(r"/ # $")
    screen.type("exit\r")
    screen.ends(0)


prepare()
for session in (shell, exit_codes, redis, run_and_attach, debug):
    session()
    print(f"{session.__name__}: fine", flush=True)
