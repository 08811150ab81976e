"""Kernels that have imported already, since most of what a recorded page takes is PyTorch and transformers coming in.

python workflow/warm_kernel.py serve NAME imports what pages import and forks a kernel for each connection (on Linux).
python workflow/warm_kernel.py CONNECTION_FILE, which Jupyter starts by kernels/warm/kernel.json, asks the server that
SERCORE_KERNELS names for one and stays as long as it runs; where no server is, it becomes an ordinary kernel itself.
"""

import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress

TAKEN = ("SERCORE_", "MPLBACKEND")  # beginnings of the variables that a kernel takes from who asked for it
POLL, PATIENCE = 0.05, 30.0  # s, of a server between two looks, and with a server that is still importing
IMPORTED = ("matplotlib.pyplot", "seaborn", "statsmodels.api", "sercore.page", "sercore.training", "sercore.export")


def serve(name: str) -> None:
    """Forks a kernel for each connection, and closes the connection when the kernel ends; and the other way round.

    Ends with the process that started it.
    """
    for module in IMPORTED:
        importlib.import_module(module)

    kernels, parent = {}, os.getppid()  # by process, its connection
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        while os.getppid() == parent:
            ready, _, _ = select.select([listener, *kernels.values()], [], [], POLL)
            for pid, connection in kernels.items():
                if connection in ready:
                    os.kill(pid, signal.SIGKILL)
            while kernels and (ended := os.waitpid(-1, os.WNOHANG)[0]):
                kernels.pop(ended).close()
            if listener in ready:
                connection, _ = listener.accept()
                _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                if user != os.getuid():
                    connection.close()  # kernels run what they are asked to
                    continue
                asked = json.loads(connection.makefile().readline())
                if not (pid := os.fork()):
                    become_kernel(**asked)
                kernels[pid] = connection


def become_kernel(file: str, folder: str, variables: dict[str, str]) -> None:
    """Turns this process into a kernel with this connection file, in this folder."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    os.chdir(folder)
    os.environ.update(variables)
    IPKernelApp.launch_instance(["-f", file, "--log-level=ERROR"])
    os._exit(0)


def ask(name: str, file: str) -> None:
    """Has a kernel forked and stays until it ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        for _ in range(round(PATIENCE / POLL)):  # the server may not be ready
            with suppress(ConnectionRefusedError):
                connection.connect(f"\0{name}")
                break
            time.sleep(POLL)
        variables = {key: value for key, value in os.environ.items() if key.startswith(TAKEN)}
        connection.sendall(json.dumps({"file": file, "folder": os.getcwd(), "variables": variables}).encode() + b"\n")
        connection.recv(1)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        with suppress(KeyboardInterrupt):
            serve(sys.argv[2])
    else:
        try:
            ask(os.environ["SERCORE_KERNELS"], sys.argv[1])
        except (KeyError, OSError):
            os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", sys.argv[1]])
