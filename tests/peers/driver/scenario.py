"""What a scenario is: a sentence and a function of the world. They run in the order in which they are written."""

SCENARIOS = []


def scenario(sentence):
    def register(function):
        SCENARIOS.append((sentence, function))
        return function

    return register


class Failed(AssertionError):
    pass


def expect(condition, *what):
    if not condition:
        raise Failed(" ".join(str(w) for w in what))


def equal(seen, wanted, what):
    expect(seen == wanted, f"{what}: expected {wanted!r}, got {seen!r}")
