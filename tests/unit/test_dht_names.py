"""Nodes that were named by host."""

from __future__ import annotations

import asyncio
from typing import Any

from swarm.discovery.dht.names import AGAIN, AGAIN_UNKNOWN, MAX_NAMES, TIMEOUT, Names
from tests.simulation_dht.virtual_time import run


class Resolver:
    """A name server: what it says, how long it takes, what it was asked."""

    def __init__(self, answers: dict[str, list[str]], seconds: float = 0.1) -> None:
        self.answers = answers
        self.seconds = seconds
        self.asked: list[str] = []

    async def __call__(self, host: str, *_: object, **__: object) -> list[Any]:
        self.asked.append(host)
        await asyncio.sleep(self.seconds)
        if host not in self.answers:
            raise OSError("no such name")
        return [(0, 0, 0, "", (address, 0)) for address in self.answers[host]]


def play(resolver: Resolver, scenario: Any) -> None:
    async def whole() -> None:
        loop = asyncio.get_running_loop()
        loop.getaddrinfo = resolver  # type: ignore[method-assign, assignment]
        told: list[float] = []
        names = Names(lambda: told.append(loop.time()))
        task = loop.create_task(names.run())
        await scenario(names, told)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(whole())


PLACES = [("a.example", 5), ("8.8.8.8", 6), ("2606:4700::1", 7)]


def test_addresses_are_there_at_once_and_names_when_they_are_known() -> None:
    async def scenario(names: Names, told: list[float]) -> None:
        assert names.addresses(PLACES, 4) == [("8.8.8.8", 6)]
        assert names.addresses(PLACES, 6) == [("2606:4700::1", 7)]
        await asyncio.sleep(1.0)
        assert len(told) == 1
        assert names.addresses(PLACES, 4) == [("9.9.9.9", 5), ("8.8.8.8", 6)]
        assert names.addresses(PLACES, 6) == [("2a00:1450::1", 5), ("2606:4700::1", 7)]

    play(Resolver({"a.example": ["9.9.9.9", "2a00:1450::1", "fe80::1", "0.0.0.0"]}), scenario)


def test_a_name_server_that_is_down_is_asked_again_and_what_was_known_stays() -> None:
    resolver = Resolver({"a.example": ["9.9.9.9"]})

    async def scenario(names: Names, told: list[float]) -> None:
        names.addresses([("a.example", 5), ("b.example", 5)], 4)
        await asyncio.sleep(1.0)
        resolver.answers = {"b.example": ["7.7.7.7"]}
        await asyncio.sleep(AGAIN_UNKNOWN + 1.0)
        assert names.addresses([("b.example", 5)], 4) == [("7.7.7.7", 5)]
        await asyncio.sleep(AGAIN + 1.0)
        assert names.addresses([("a.example", 5)], 4) == [("9.9.9.9", 5)]
        assert resolver.asked.count("a.example") >= 2
        assert len(told) == 2

    play(resolver, scenario)


def test_one_that_does_not_answer_does_not_keep_the_others_for_ever() -> None:
    resolver = Resolver({}, seconds=1e6)

    async def scenario(names: Names, _: list[float]) -> None:
        names.addresses([("a.example", 5), ("b.example", 5)], 4)
        await asyncio.sleep(TIMEOUT + 1.0)
        assert resolver.asked == ["a.example", "b.example"]
        names.addresses([(f"{number}.example", 5) for number in range(2 * MAX_NAMES)], 4)
        assert len(names._due) == MAX_NAMES

    play(resolver, scenario)
