"""From single measurements to what is told: medians over the rounds, and ratios taken round by round. Pure."""

from statistics import median

# The floor that everything is held against.
FLOOR = "bare"
# Others may have so much of a core before numbers are not to be kept.
QUIET = 0.1
# Below this the proxy waited for the load: it could have done more.
WAITED = 0.9


class Results:
    """`measurements`: dicts of round, proxy, scenario and what `measuring` tells; `memory`: of round, proxy, before and after, in MiB."""

    def __init__(self, measurements, memory):
        self.measurements, self.memory = measurements, memory

    def proxies(self):
        return list(dict.fromkeys(one["proxy"] for one in self.measurements))

    def scenarios(self):
        return list(dict.fromkeys(one["scenario"] for one in self.measurements))

    def _by_round(self, proxy, scenario, what):
        of = (one for one in self.measurements if one["proxy"] == proxy and one["scenario"] == scenario)
        return {one["round"]: one[what] for one in of if "failed" not in one}

    def value(self, proxy, scenario, what):
        """The median; None where there is none."""
        values = self._by_round(proxy, scenario, what).values()
        return median(values) if values else None

    def ratios(self, what, of, beside):
        """`of` and `beside` are (proxy, scenario): the ratio in each round in which both were measured."""
        ones, others = self._by_round(*of, what), self._by_round(*beside, what)
        return [ones[number] / others[number] for number in ones if others.get(number)]

    def ratio(self, what, of, beside):
        ratios = self.ratios(what, of, beside)
        return median(ratios) if ratios else None

    def added(self, what, of, beside):
        ones, others = self._by_round(*of, what), self._by_round(*beside, what)
        added = [ones[number] - others[number] for number in ones if number in others]
        return median(added) if added else None

    def held(self, proxy, when):
        values = [one[when] for one in self.memory if one["proxy"] == proxy]
        return median(values) if values else None

    def others(self):
        """How much of a core others had, at the median."""
        values = [one["others"] for one in self.measurements if "failed" not in one]
        return median(values) if values else 0.0

    def failures(self):
        return [f"{one['proxy']}, {one['scenario']}, round {one['round']}: {one['failed']}" for one in self.measurements if "failed" in one]


def aims(results):
    """What was aimed at, what was measured, and whether it is met: (sentence, aim, measured, met); measured is None where something is missing."""
    gateway = "memory"

    def ratio(what, scenario, beside, other=None):
        return results.ratio(what, (gateway, scenario), (beside, other or scenario))

    def at_most(sentence, limit, measured, unit=""):
        return sentence, f"at most {limit}{unit}", measured, None if measured is None else measured <= limit

    def at_least(sentence, limit, measured):
        return sentence, f"at least {limit}", measured, None if measured is None else measured >= limit

    return [
        at_most("CPU of an accepted registration, beside nginx + Lua", 1.0, ratio("cpu_micros", "accepted", "nginx")),
        at_most("CPU of an accepted registration, beside Envoy", 0.5, ratio("cpu_micros", "accepted", "envoy")),
        at_least("rate of accepted registrations, beside bare Pingora (the floor is 0.85)", 1.0, ratio("rate", "accepted", FLOOR)),
        at_most("p99 added to bare Pingora's at a fixed rate, ms", 0.3, results.added("p99", (gateway, "paced"), (FLOOR, "paced"))),
        at_least("rate of refusals, bad token, beside accepted ones", 2.0, ratio("rate", "bad_token", gateway, "accepted")),
        at_least("rate of refusals, throttled, beside accepted ones", 2.0, ratio("rate", "throttled", gateway, "accepted")),
        at_least("mutual TLS handshakes per second, beside nginx", 1.0, ratio("rate", "handshake", "nginx")),
        at_least("rate of forwarded GET, beside bare Pingora", 0.98, ratio("rate", "get", FLOOR)),
        at_least("rate of forwarded POST of 64 KiB, beside bare Pingora", 0.98, ratio("rate", "post", FLOOR)),
    ]
