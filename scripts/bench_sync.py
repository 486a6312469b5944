"""Swarm beside syncthing on loopback: the same files, on the same disk, in turns, so that both see the same machine.

Two devices of a tool are connected and share an empty folder. Then a prepared tree is moved into the first one's (one
rename, so nobody gains by watching it grow), and the clock runs until the second one has it all. Syncthing would look
after its watcher's delay; it is told to look at once, so what is compared is the work. For the latency of a new file
nobody tells it: its delay is set to a second, the shortest that it takes. Every result is checked with diff.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.live.daemon import Daemon, differences, until
from tests.live.tree import big_file, content, documents, small_files

if TYPE_CHECKING:
    from collections.abc import Callable

API_KEY = "bench"
LIMIT = 300.0  # seconds for anything
CONFIG = """<configuration version="35">
 <folder id="bench" label="bench" path="{folder}" type="sendreceive" rescanIntervalS="3600"
         fsWatcherEnabled="true" fsWatcherDelayS="1">
  <device id="{ids[0]}"/><device id="{ids[1]}"/><minDiskFree unit="%">0</minDiskFree>
 </folder>
 <device id="{ids[0]}" name="one"><address>tcp://127.0.0.1:{ports[0]}</address></device>
 <device id="{ids[1]}" name="two"><address>tcp://127.0.0.1:{ports[1]}</address></device>
 <gui enabled="true" tls="false"><address>127.0.0.1:{gui}</address><apikey>{key}</apikey></gui>
 <options>
  <listenAddress>tcp://127.0.0.1:{port}</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled>
  <localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled>
  <startBrowser>false</startBrowser><urAccepted>-1</urAccepted><reconnectionIntervalS>1</reconnectionIntervalS>
  <autoUpgradeIntervalH>0</autoUpgradeIntervalH><crashReportingEnabled>false</crashReportingEnabled>
  <setLowPriority>false</setLowPriority>
 </options>
</configuration>
"""


class Pair(Protocol):
    """Two connected devices of a tool, with an empty folder."""

    folders: tuple[Path, Path]

    def look(self) -> None:
        """The first one's folder has changed."""

    def settle(self) -> None:
        """Returns when both have nothing to do."""

    def close(self) -> None: ...


class SwarmPair:
    def __init__(self, base: Path, watched: bool = False) -> None:
        self.devices = [Daemon(base, name) for name in ("one", "two")]
        for device in self.devices:
            device.watched = watched
            device.start()
        self.folders = (self.devices[0].folder, self.devices[1].folder)
        self.devices[1].join(self.devices[0].share())
        self.settle()

    def look(self) -> None:
        return

    def settle(self) -> None:
        self.devices[0].wait(LIMIT)

    def close(self) -> None:
        for device in self.devices:
            device.kill()


class SyncthingPair:
    def __init__(self, base: Path) -> None:
        homes = [base / "one", base / "two"]
        self.folders = (base / "folder-one", base / "folder-two")
        ports, self._guis = free_ports(2), free_ports(2)
        ids = []
        for home, folder in zip(homes, self.folders, strict=True):
            (folder / ".stfolder").mkdir(parents=True)
            quiet("syncthing", "generate", f"--home={home}")
            ids.append(quiet("syncthing", f"--home={home}", "--device-id").strip())
        self._processes = []
        for home, folder, port, gui in zip(homes, self.folders, ports, self._guis, strict=True):
            text = CONFIG.format(folder=folder, ids=ids, ports=ports, port=port, gui=gui, key=API_KEY)
            (home / "config.xml").write_text(text)
            command = ["syncthing", "serve", f"--home={home}", "--no-browser", "--no-restart", "--no-upgrade"]
            with (home / "log").open("w") as log:
                self._processes.append(subprocess.Popen([*command, "--skip-port-probing"], stdout=log, stderr=log))
        until(lambda: self._ask(0, "GET", "system/ping"), "syncthing answers", 60)
        until(lambda: b'"connected": true' in self._ask(0, "GET", "system/connections"), "syncthing connects", 60)
        self.settle()

    def _ask(self, device: int, method: str, path: str) -> bytes:
        address = f"http://127.0.0.1:{self._guis[device]}/rest/{path}"
        request = urllib.request.Request(address, method=method, headers={"X-API-Key": API_KEY})
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as response:
                return bytes(response.read())
        except OSError:
            return b""

    def look(self) -> None:
        self._ask(0, "POST", "db/scan?folder=bench")

    def settle(self) -> None:
        idle = b'"state": "idle"'
        until(lambda: all(idle in self._ask(n, "GET", "db/status?folder=bench") for n in (0, 1)), "idle", LIMIT)

    def close(self) -> None:
        for process in self._processes:
            process.terminate()  # not kill: what it has started itself would live on
            process.wait(30)


def quiet(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def census(root: Path) -> tuple[int, int]:
    """Files and bytes below `root`, without what the tools keep there for themselves."""
    files = size = 0
    pending = [os.fspath(root)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif not entry.name.startswith((".syncthing.", "~syncthing~")):
                    files += 1
                    size += entry.stat(follow_symlinks=False).st_size
    return files, size


def transfer(pair: Pair, prepared: Path) -> float:
    """Seconds from the rename until the other side has everything."""
    here, there = pair.folders
    wanted = census(prepared)
    began = time.monotonic()
    prepared.rename(here / "tree")
    pair.look()
    while not (there / "tree").exists() or census(there / "tree") != wanted:
        took = time.monotonic() - began
        if took > LIMIT:
            raise SystemExit(f"not there after {LIMIT:.0f} s: {census(there)} of {wanted}")
        time.sleep(max(0.01, took / 50))  # to a fiftieth; looking all the time would take a core from both
    took = time.monotonic() - began
    pair.settle()
    if found := differences(here / "tree", there / "tree"):
        raise SystemExit(f"not equal afterwards: {found[:2000]}")
    return took


def latency(pair: Pair, count: int) -> float:
    """The median of so many new small files, one after another."""
    here, there = pair.folders
    times = []
    for number in range(count):
        began = time.monotonic()
        (here / f"new{number}").write_bytes(content(number, 1000))
        target = there / f"new{number}"
        while not target.exists():
            if time.monotonic() - began > LIMIT:
                raise SystemExit(f"{target} never came")
            time.sleep(0.001)
        times.append(time.monotonic() - began)
    return statistics.median(times)


def measure(base: Path, make: Callable[[Path], Pair], run: Callable[[Pair, Path], float]) -> float:
    place = Path(tempfile.mkdtemp(dir=base))
    pair = make(place)
    try:
        return run(pair, place)
    finally:
        pair.close()
        shutil.rmtree(place)


def stalls(base: Path, build: Callable[[Path], object]) -> None:
    """Says for how long, and by what, the daemons' loops were kept during a transfer."""
    place = Path(tempfile.mkdtemp(dir=base))
    pair = SwarmPair(place, watched=True)
    try:
        build(place / "prepared")
        transfer(pair, place / "prepared")
        for device in pair.devices:
            lines = device.stalls.read_text().splitlines()
            print(f"  loop of {device.name}: kept longer than 50 ms {len(lines)} times")
            for line in sorted(lines, reverse=True)[:5]:
                print(f"    {line}")
    finally:
        pair.close()
        shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a tenth of everything")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (3)")
    parser.add_argument("--only", choices=("files", "big", "documents", "latency", "stalls"), help="one of them")
    parser.add_argument("--without-syncthing", action="store_true")
    parser.add_argument("--directory", default=None, help="where the files go (the system's temporary directory)")
    options = parser.parse_args()
    directories, big, rounds = (10, 51 << 20, options.rounds) if options.small else (100, 512 << 20, options.rounds)
    tools: dict[str, Callable[[Path], Pair]] = {"swarm": SwarmPair}
    if not options.without_syncthing:
        if shutil.which("syncthing") is None:
            print("syncthing is not installed: swarm alone", file=sys.stderr)
        else:
            tools["syncthing"] = SyncthingPair
    builders: dict[str, tuple[str, Callable[[Path], object]]] = {
        "files": (f"{directories * 100} small files", lambda root: small_files(root, directories, 100)),
        "big": (f"one file of {big >> 20} MB", lambda root: big_file(root / "big.bin", big)),
        "documents": ("documents", lambda root: documents(root, 500 if options.small else 1_000_000)),
    }

    def sends(build: Callable[[Path], object]) -> Callable[[Pair, Path], float]:
        def run(pair: Pair, place: Path) -> float:
            build(place / "prepared")
            return transfer(pair, place / "prepared")

        return run

    scenarios = {name: (title, sends(build)) for name, (title, build) in builders.items()}
    scenarios["latency"] = ("a new small file is there", lambda pair, _: latency(pair, 20))
    with tempfile.TemporaryDirectory(prefix="swarm-bench-", dir=options.directory) as name:
        for scenario, (title, run) in scenarios.items():
            if options.only not in (None, scenario):
                continue
            results: dict[str, list[float]] = {tool: [] for tool in tools}
            for _ in range(rounds):
                for tool, make in tools.items():
                    results[tool].append(measure(Path(name), make, run))
            medians = {tool: statistics.median(times) for tool, times in results.items()}
            for tool, times in results.items():
                ratio = f"  {medians['swarm'] / medians[tool]:5.2f} x its time" if tool != "swarm" else ""
                every = " ".join(f"{seconds:.3f}" for seconds in times)
                print(f"{title:28} {tool:10} {medians[tool]:8.3f} s{ratio}   ({every})", flush=True)
        if options.only in (None, "stalls"):
            for scenario, (title, build) in builders.items():
                print(f"stalls, {title} ({scenario}):", flush=True)
                stalls(Path(name), build)


if __name__ == "__main__":
    main()
