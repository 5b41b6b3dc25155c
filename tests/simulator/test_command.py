from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

RUN = (
    "import sys; from generation.management.commands.simulator import Command;"
    "Command().run_from_argv(['manage.py', 'simulator', *sys.argv[1:]])"
)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(ending):
    arguments = ["--port", "0", "--speed", "0", "--model", "mine", "--fault", "hang"]
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{url}/models/checkpoints", timeout=5) as answer:
            assert json.load(answer) == ["mine"]
        with urllib.request.urlopen(f"{url}/simulator/faults", timeout=5) as answer:
            assert json.load(answer)["hang"] is True
        process.send_signal(ending)
        assert process.wait(30) == 0


def test_the_command_refuses_unknown_faults():
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--fault", "nonsense"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "nonsense" in done.stderr
