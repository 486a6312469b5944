"""Who may open a link."""

from __future__ import annotations

from dataclasses import replace

from swarm.net.admission import Admission, Verdict, allowance_key
from swarm.net.limits import Limits

LIMITS = Limits(links=256, strangers=64, strangers_per_host=8)


def enter(admission: Admission, host: str) -> None:
    admission.enter()
    admission.meet(host)


def test_a_host_with_many_strangers_must_prove_its_address_and_is_then_refused() -> None:
    admission = Admission(LIMITS)
    verdicts = []
    for _ in range(9):
        verdicts.append(admission.verdict("192.0.2.1", proved=False))
        enter(admission, "192.0.2.1")
    assert verdicts == [Verdict.ADMIT] * 5 + [Verdict.PROVE_ADDRESS] * 3 + [Verdict.REFUSE]


def test_a_proved_address_gets_the_other_half_and_no_more() -> None:
    admission = Admission(LIMITS)
    for _ in range(8):
        assert admission.verdict("192.0.2.1", proved=True) is Verdict.ADMIT
        enter(admission, "192.0.2.1")
    assert admission.verdict("192.0.2.1", proved=True) is Verdict.REFUSE
    assert admission.verdict("192.0.2.2", proved=False) is Verdict.ADMIT


def test_many_hosts_together_must_prove_their_addresses() -> None:
    admission = Admission(LIMITS)
    for host in range(33):
        assert admission.verdict(f"192.0.2.{host}", proved=False) is Verdict.ADMIT
        enter(admission, f"192.0.2.{host}")
    assert admission.verdict("198.51.100.1", proved=False) is Verdict.PROVE_ADDRESS
    for host in range(31):
        enter(admission, f"198.51.100.{host}")
    assert admission.verdict("203.0.113.1", proved=True) is Verdict.REFUSE


def test_the_trusted_are_no_strangers_but_count_as_links() -> None:
    admission = Admission(replace(LIMITS, links=3))
    for _ in range(3):
        assert admission.verdict("192.0.2.1", proved=False) is Verdict.ADMIT
        enter(admission, "192.0.2.1")
        admission.part("192.0.2.1")
    assert admission.strangers == 0
    assert admission.verdict("192.0.2.1", proved=True) is Verdict.REFUSE
    admission.leave()
    assert admission.verdict("192.0.2.1", proved=False) is Verdict.ADMIT


def test_nothing_is_kept_of_hosts_that_left() -> None:
    admission = Admission(LIMITS)
    for host in range(250):
        enter(admission, f"192.0.2.{host}")
        admission.part(f"192.0.2.{host}")
        admission.leave()
        admission.verdict(f"198.51.100.{host}", proved=False)
    assert not admission._strangers


def test_addresses_of_one_ipv6_network_are_one_host() -> None:
    assert allowance_key("2001:db8::1") == allowance_key("2001:db8::ffff:1")
    assert allowance_key("2001:db8::1") != allowance_key("2001:db8:0:1::1")
    assert allowance_key("fe80::1%eth0") == allowance_key("fe80::2%eth0")
