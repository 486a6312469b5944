"""Tokens: good once, for a short time, for one host; so many and no more."""

from __future__ import annotations

from itertools import count

from swarm.net.invitations import MAX_HELD, MAX_TOKENS, TOKEN_BYTES, TOKEN_SECONDS, Invitations


class Host:
    """Somebody who invites."""


def invitations() -> Invitations[Host]:
    numbers = count()
    return Invitations(lambda size: next(numbers).to_bytes(size, "big"))


def test_a_token_is_good_for_its_host_and_once() -> None:
    desk, host, other = invitations(), Host(), Host()
    (token,) = desk.issue(host, 1, 0.0)
    (of_other,) = desk.issue(other, 1, 0.0)
    assert len(token) == TOKEN_BYTES
    assert desk.redeem(token, 1.0) is host
    assert desk.redeem(token, 1.0) is None
    assert desk.redeem(of_other, 1.0) is other


def test_a_token_that_was_never_issued_is_not_good() -> None:
    desk = invitations()
    (token,) = desk.issue(Host(), 1, 0.0)
    for wrong in (b"", token[:-1], token + b"x", bytes(TOKEN_BYTES), bytes([token[0] ^ 1]) + token[1:]):
        assert desk.redeem(wrong, 0.0) is None


def test_a_token_expires_and_is_used_up_by_being_late() -> None:
    desk = invitations()
    (token,) = desk.issue(Host(), 1, 0.0)
    assert desk.redeem(token, TOKEN_SECONDS) is None
    assert desk.redeem(token, 0.0) is None


def test_a_host_holds_only_so_many_tokens() -> None:
    desk, host = invitations(), Host()
    assert len(desk.issue(host, MAX_HELD - 1, 0.0)) == MAX_HELD - 1
    assert len(desk.issue(host, 4, 0.0)) == 1
    assert desk.issue(host, 4, 0.0) == ()
    assert len(desk.issue(host, 4, TOKEN_SECONDS)) == 4


def test_all_hosts_together_hold_only_so_many_tokens() -> None:
    desk = invitations()
    issued = sum(len(desk.issue(Host(), MAX_HELD, 0.0)) for _ in range(MAX_TOKENS))
    assert issued == len(desk) == MAX_TOKENS
    assert len(desk.issue(Host(), 1, TOKEN_SECONDS)) == len(desk) == 1


def test_a_host_that_withdraws_has_no_guests() -> None:
    desk, host, other = invitations(), Host(), Host()
    tokens, (kept,) = desk.issue(host, 3, 0.0), desk.issue(other, 1, 0.0)
    desk.withdraw(host)
    assert [desk.redeem(token, 0.0) for token in tokens] == [None] * 3
    assert desk.redeem(kept, 0.0) is other
