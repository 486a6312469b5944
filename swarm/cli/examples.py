"""An example or two of every verb, which its --help shows. A test types each of them."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final = {
    "share": ("swarm share ~/Docs", "key=$(swarm share ~/Docs --name Papers)"),
    "join": ("swarm join", "swarm join - ~/Docs < key.txt", "swarm join - ~/Docs --yes < key.txt"),
    "leave": ("swarm leave ~/Docs",),
    "status": ("swarm status", "swarm status --watch", "swarm status --json --watch"),
    "wait": ("swarm wait ~/Docs --timeout 60", "swarm wait --on nas"),
    "peers": ("swarm peers", "swarm peers --json"),
    "key": ("swarm key ~/Docs", "swarm key --read-only --qr"),
    "history": ("swarm history ~/Docs/report.odt",),
    "restore": (
        "swarm restore ~/Docs/report.odt",
        "swarm restore report.odt --at '2026-01-31 18:02' --to report-then.odt",
        "swarm restore ~/Docs/letters",
    ),
    "deleted": ("swarm deleted ~/Docs", "swarm deleted letters --json"),
    "revert": ("swarm revert", "swarm revert ~/Docs/report.odt"),
    "relay": ("swarm relay list", "swarm relay remove r.example.net:47470"),
    "pause": ("swarm pause ~/Docs", "swarm pause --for 2h"),
    "resume": ("swarm resume ~/Docs",),
    "scan": ("swarm scan ~/Docs",),
    "move": ("swarm move ~/Docs /mnt/disk/Docs",),
    "logs": ("swarm logs -n 50", "swarm logs --follow"),
    "config": ("swarm config",),
    "service": ("swarm service install", "swarm service status"),
    "doctor": ("swarm doctor", "swarm doctor --json"),
    "completion": ('eval "$(swarm completion bash)"', "swarm completion fish | source"),
    "run": ("swarm run", "swarm run --listen 0.0.0.0:47474 --no-lan"),
    "stop": ("swarm stop",),
}


def below(verb: str, epilog: str | None) -> str:
    """What stands at the end of a verb's help: its own last words, and its examples."""
    shown = [f"  {example}" for example in EXAMPLES.get(verb, ())]
    examples = "\n".join(["example:" if len(shown) == 1 else "examples:", *shown]) if shown else ""
    return "\n\n".join(part for part in (epilog, examples) if part)
