"""Who is replaced: those that stay ill, and those for which their owner asked. The new one is made before the old one
goes; at the ceiling, where nothing can be made first, one may go before another comes."""

from __future__ import annotations

from fleet.autoscaler.decision import Act
from fleet.autoscaler.moment import Moment
from fleet.autoscaler.view import WebserverView

#: Where one machine alone looks, it must have seen a failure for so many times the usual proof.
ALONE_PROOFS = 3
OWNER = "its owner asked"


def replace_some(moment: Moment) -> None:
    """Adds builds in the place of others, within room and share."""
    under_way = len(moment.replaced)
    substitutes = {one.name for one in moment.replaced.values()}
    surplus = moment.current - moment.wanted.webservers  # so many go anyway, the ill ones first
    first_of_none = _first_of_none(moment)
    for one in sorted(moment.active, key=lambda one: not moment.is_ill(one)):
        asked = one.name in moment.asked
        if one.name in moment.replaced or not (asked or moment.is_ill(one)):
            continue
        why = OWNER if asked else moment.verdict(one).reason
        waits = "" if asked else _proof(moment, one)
        if waits:
            moment.held.append(f"{one.name} is not replaced yet ({why}): {waits}.")
        elif one.name in moment.policy.protected:
            moment.held.append(f"{one.name} is not replaced though {why}: it is protected.")
        elif one.name == first_of_none:
            _let_go_first(moment, one, why)
        elif surplus > 0:
            surplus -= 1
        elif one.name in substitutes and not asked and _never_well(one) and not moment.diagnosis.alone:
            # Another one is made in the same place; beside it they would grow in number as long as none is well.
            moment.add(Act.DRAIN, one.name, f"{one.name} goes, it was never well in the place of another, {why}")
        elif under_way >= moment.share:
            moment.held.append(
                f"{one.name} is not replaced yet ({why}): {under_way} of {len(moment.active)} "
                f"are being replaced, at most {moment.share} at a time."
            )
        elif moment.room > 0:
            moment.room -= 1
            under_way += 1
            moment.add(Act.BUILD, "", f"in the place of {one.name}: {why}", replaces=one.name)
        elif _may_go_first(moment, one):
            under_way += 1
            _let_go_first(moment, one, why)
        else:
            moment.held.append(
                f"{one.name} is not replaced yet ({why}): there are as many machines as are allowed, "
                f"{len(moment.view.webservers)} of {moment.wanted.ceiling}{_besides(moment, one)}."
            )


def send_replaced(moment: Moment) -> None:
    """Adds the leaving of those whose substitutes serve."""
    for one in moment.active:
        substitute, asked = moment.replaced.get(one.name), one.name in moment.asked
        if substitute is None or not (asked or moment.is_ill(one)) or one.name in moment.touched:
            continue
        if not substitute.in_dns or not moment.is_well(substitute) or substitute.name in moment.going:
            continue
        taken = f"though {substitute.name} has taken its place"
        too_few = "" if moment.is_ill(one) else moment.too_few_without(one)
        if one.name in moment.policy.protected:
            moment.held.append(f"{one.name} stays {taken}: it is protected.")
        elif moment.diagnosis.alone and not asked:
            moment.held.append(
                f"{one.name} stays, out of DNS, {taken}: only {moment.view.probers[0]} looks, and its word alone is "
                "not enough to end a machine."
            )
        elif not moment.verdict(one).seen:
            moment.held.append(f"{one.name} stays {taken}: nobody looked at it lately.")
        elif too_few:
            moment.held.append(f"{one.name} stays {taken}: {too_few}.")
        else:
            why = OWNER if asked else moment.verdict(one).reason
            moment.add(Act.DRAIN, one.name, f"{substitute.name} has taken the place of {one.name}, {why}")


def _proof(moment: Moment, one: WebserverView) -> str:
    """What is waited for until it is proved that it will not come back by itself; "" when it is proved."""
    verdict, policy = moment.verdict(one), moment.policy
    if verdict.failing_since is None:
        return "it answered in between"
    proof_s = policy.replace_proof_s * (ALONE_PROOFS if moment.diagnosis.alone else 1)
    # Whoever stays in DNS because nobody else is well is proved from the verdict on.
    since = max(verdict.failing_since, one.left_dns_at if not one.in_dns else 0.0)
    never_well = _never_well(one)
    left_s = proof_s - (verdict.looked_at - since)
    if never_well:
        left_s = max(left_s, policy.never_well_proof_s - (moment.now - one.since))
    if left_s > 0:
        again = " (made in the place of an ill one, it was never well itself)" if never_well else ""
        return f"it must fail for {left_s:.0f} s more{again}"
    return ""


def _never_well(one: WebserverView) -> bool:
    return bool(one.replaces) and not one.in_dns and one.left_dns_at <= 0.0


def _let_go_first(moment: Moment, one: WebserverView, why: str) -> None:
    moment.room -= 1  # one at a time: nothing else begins beside it
    moment.add(
        Act.DRAIN,
        one.name,
        f"{one.name} goes before another comes, {why}; "
        f"there are {len(moment.view.webservers)}, and no more are allowed",
    )


def _may_go_first(moment: Moment, one: WebserverView) -> bool:
    """At the ceiling one may go before its substitute is there: nobody misses it, nothing is under way."""
    if not _one_may_go_first(moment) or one.name in moment.touched or not moment.standing - {one.name}:
        return False
    if moment.is_ill(one):
        return not one.in_dns
    return moment.verdict(one).seen and not moment.too_few_without(one)


def _one_may_go_first(moment: Moment) -> bool:
    return (
        not moment.diagnosis.alone
        and moment.wanted.can_rebuild
        and len(moment.view.webservers) == moment.wanted.ceiling
        and not moment.building
        and not moment.leaving
        and moment.room == 0
    )


def _first_of_none(moment: Moment) -> str:
    """Who goes first at the ceiling though no other one serves: of two or more the one that failed longest.

    Visitors lose nothing by it, and without it nothing would ever become well again. Not while the newest one had no
    time to prove that a new machine helps: then what ails them is likely not the machines.
    """
    active = moment.active
    if len(active) < 2 or moment.standing or any(moment.is_well(one) for one in active):
        return ""
    if (
        not _one_may_go_first(moment)
        or moment.now - max(one.since for one in active) < moment.policy.never_well_proof_s
    ):
        return ""
    in_dns = sum(one.in_dns for one in active)
    proved = [
        (moment.verdict(one).failing_since or 0.0, one.since, one.name)
        for one in active
        if moment.is_ill(one)
        and one.name not in moment.replaced
        and one.name not in moment.policy.protected
        and not (one.in_dns and in_dns == 1)  # an ill page is better than none
        and not _proof(moment, one)
    ]
    return min(proved)[2] if proved else ""


def _besides(moment: Moment, one: WebserverView) -> str:
    """What else keeps one that is well from going first."""
    too_few = "" if moment.is_ill(one) else moment.too_few_without(one)
    return f", and {too_few}" if too_few else ""
