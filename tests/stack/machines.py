"""Machines of a network of their own: Linux's namespaces, joined by one bridge."""

from __future__ import annotations

import os
import subprocess

from tests.stack.process import Machine
from tests.stack.services import program

# States of a bridge's port.
DISABLED, FORWARDING = "0", "3"


class Forbidden(Exception):
    """The kernel gives this user no networks, and no package would change that."""


class Network:
    """Up inside `with`; every machine reaches every other one, and this one."""

    def __init__(self):
        self._ip = program("ip", "iproute2", "/usr/sbin/ip", "/sbin/ip")
        # Several runs on one machine do not meet.
        self._number = os.getpid()
        self._bridge = f"lo{self._number}"
        self._prefix = f"10.{200 + self._number % 50}.{self._number // 50 % 250}"
        self._machines = []

    @property
    def here(self):
        """This machine's address in it."""
        return f"{self._prefix}.1"

    def __enter__(self):
        try:
            self.run("link", "add", self._bridge, "type", "bridge")
            self.run("addr", "add", f"{self.here}/24", "dev", self._bridge)
            self.run("link", "set", self._bridge, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for machine in self._machines:
            self._quietly("netns", "del", machine.namespace)
        self._quietly("link", "del", self._bridge)

    def machine(self, name):
        """A new one, by the name that the tests give it."""
        number = len(self._machines) + 10
        machine = NetworkMachine(self, f"lifeos-{self._number}-{name}")
        self._machines.append(machine)
        machine.address = f"{self._prefix}.{number}"
        link, inside = f"v{self._number}-{number}", ("-n", machine.namespace)
        self.run("netns", "add", machine.namespace)
        peer = ("peer", "name", "eth0", "netns", machine.namespace)
        self.run("link", "add", link, "type", "veth", *peer)
        self.run("link", "set", link, "master", self._bridge, "up")
        self.run(*inside, "addr", "add", f"{machine.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            self.run(*inside, "link", "set", device, "up")
        machine.link = link
        machine.enter = (self._ip, "netns", "exec", machine.namespace)
        return machine

    def run(self, *words):
        """Raises Forbidden where namespaces are not permitted."""
        command = [self._ip, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = f"ip {' '.join(words)}: {done.stderr.strip()}"
            raise Forbidden(f"no network namespaces here (as root only): {why}")

    def _quietly(self, *words):
        subprocess.run([self._ip, *words], capture_output=True, check=False)


class NetworkMachine(Machine):
    """One namespace with one link, which can be cut."""

    link = ""

    def __init__(self, network, namespace):
        self._network, self.namespace = network, namespace

    def cut(self):
        """As behind a switch that is off: nobody is told, no packet comes or goes."""
        self._pass(DISABLED)

    def join(self):
        self._pass(FORWARDING)

    def _pass(self, state):
        port = ("type", "bridge_slave", "state", state)
        self._network.run("link", "set", "dev", self.link, *port)
