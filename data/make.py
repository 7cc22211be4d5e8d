"""Writes the tables and the text that are made up, for `configs/`.

    python data/make.py

Each draws from a generator of its own, `numpy.random.default_rng(0)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

Rows = Iterable[Sequence[object]]
HERE = Path(__file__).parent


def write(name: str, head: str, rows: Rows) -> None:
    """A table; numbers with three decimals, texts as they are."""
    lines = (
        ",".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in r)
        for r in rows
    )
    (HERE / name).write_text("\n".join([head, *lines, ""]), "utf-8")


def clouds(counts: Mapping[str, int], distance: float) -> Rows:
    """Two Gaussian clouds, their centres so far apart along both axes; shuffled."""
    random = np.random.default_rng(0)
    rows = [
        (*random.normal(number * distance, 1, 2).tolist(), kind)
        for number, (kind, count) in enumerate(counts.items())
        for _ in range(count)
    ]
    return [rows[i] for i in random.permutation(len(rows))]


def kilns() -> Rows:
    """`cracked` where a kiln was too hot; its gauge reads ever more, by 30 in all."""
    random = np.random.default_rng(0)
    heat, flow = random.normal(0, 10, 400), random.normal(0, 1, 400)
    gauge = 900 + heat + 30 * np.arange(400) / 400
    cracked = heat + 4 * flow + random.normal(0, 3, 400) > 0
    cells = zip(gauge.tolist(), flow.tolist(), cracked, strict=True)
    return [(f"{hot:.1f}", each, _yes(y)) for hot, each, y in cells]


def typo() -> Rows:
    """`long` where length + width > 0, with noise; one length lost its point."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (300, 2))
    is_long = x.sum(axis=1) + random.normal(0, 0.7, 300) > 0
    x[180, 0], is_long[180] = 60.0, False
    return [(*row, _yes(y)) for row, y in zip(x.tolist(), is_long, strict=True)]


def careless() -> Rows:
    """`long` where length + width > 0; 30 % of the first 280 labels are wrong."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (400, 2))
    wrong = (random.random(400) < 0.3) & (np.arange(400) < 280)
    is_long = (x.sum(axis=1) > 0) ^ wrong
    return [(*row, _yes(y)) for row, y in zip(x.tolist(), is_long, strict=True)]


def loans() -> Rows:
    """`repaid` where income - debt > 0, with noise; only who does not gets letters."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (300, 2))
    repaid = x @ [1, -1] + random.normal(0, 1, 300) > 0
    letters = np.where(repaid, 0, 1)
    rows = zip(x.tolist(), letters.tolist(), repaid, strict=True)
    return [(*row, sent, _yes(y)) for row, sent, y in rows]


def _yes(truth: object) -> str:
    return "yes" if truth else "no"


def filled() -> Rows:
    """A linear flow with noise; one cell has NetCDF's fill value for missing ones."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (300, 3))
    flow: list[object] = list(x @ [1, -0.5, 0.25] + random.normal(0, 0.3, 300))
    flow[123] = "9.97e36"
    return [(*row, y) for row, y in zip(x.tolist(), flow, strict=True)]


# ---------------------------------------------------------------- what can be learned


def _words(text: str) -> list[str]:
    return text.split()


_MONTHS = _words("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
_WEEKDAYS = _words("Mon Tue Wed Thu Fri Sat Sun")
_TOWNS = _words("""
Alder Ashby Birch Brook Cedar Cliff Dale Elmet Fern Ford Grove Hazel Heath Holm Ivy
Kirk Lark Linden Marsh Mere Moor Oak Pine Reed Ridge Rowan Thorn Vale Willow Wold
""")


def cafes() -> Rows:
    """Cups a day that the cafés of thirty towns sell.

    Each town has a size of its own; some sell more in summer and at weekends, by the
    sea, and some less. The logarithm of the cups has noise of standard deviation 0.1.
    """
    random = np.random.default_rng(0)
    size = random.normal(4, 0.5, len(_TOWNS))
    summer, weekend = random.normal(0, 0.4, (2, len(_TOWNS)))
    for _ in range(4000):
        town, month, day = map(int, random.integers(0, [len(_TOWNS), 12, 7]))
        price = float(random.uniform(2, 4))
        log = size[town] - 0.3 * (price - 3) + random.normal(0, 0.1)
        log += summer[town] * np.sin((month - 3.5) / 12 * 2 * np.pi)
        log += weekend[town] * (day >= 5)
        named = _TOWNS[town], _MONTHS[month], _WEEKDAYS[day]
        yield (*named, f"{price:.2f}", round(float(np.exp(log))))


def pumps() -> Rows:
    """Pumps of which few are worn, and fewer leak; shuffled.

    Worn ones vibrate more and are warmer, leaking ones have less pressure and draw more
    current, by two standard deviations of what pumps differ in anyway.
    """
    random = np.random.default_rng(0)
    moved = {"fine": (0, 0, 0, 0), "worn": (2, 2, 0, 0), "leaking": (0, 0, -2, 2)}
    counts = {"fine": 1200, "worn": 70, "leaking": 30}
    rows = [
        (*(random.normal(0, 1, 4) + moved[kind]).round(2).tolist(), kind)
        for kind, count in counts.items()
        for _ in range(count)
    ]
    units = ((3.0, 0.4), (55.0, 5.0), (6.0, 0.5), (11.0, 1.2))
    for i in random.permutation(len(rows)):
        *values, kind = rows[i]
        scaled = [m + s * v for v, (m, s) in zip(values, units, strict=True)]
        yield (*(f"{x:.2f}" for x in scaled), kind)


def load() -> Rows:
    """The electric load of a town in MW, by hour; about four months.

    It follows the hour of the day, less at weekends, and the cold; what is left is an
    autoregression with a standard deviation of about 1.
    """
    random = np.random.default_rng(0)
    hours = np.arange(24 * 120)
    weather = _autoregression(random, len(hours), 0.98, 0.6)
    temperature = 8 + 4 * np.sin((hours % 24 - 9) / 12 * np.pi) + weather
    work = (hours // 24 % 7 < 5) * 8 + 4
    day = np.sin((hours % 24 - 7) / 12 * np.pi)
    power = 40 + work * day + np.maximum(15 - temperature, 0)
    power = power + _autoregression(random, len(hours), 0.8, 0.6)
    for hour, cold, megawatts in zip(hours, temperature, power, strict=True):
        weekday = int(hour) // 24 % 7 + 1
        yield weekday, int(hour) % 24, f"{cold:.1f}", f"{megawatts:.1f}"


def _autoregression(
    random: np.random.Generator, count: int, share: float, std: float
) -> np.ndarray:
    """x_t = share · x_(t-1) + noise of that standard deviation."""
    noise, x = random.normal(0, std, count), np.zeros(count)
    for t in range(1, count):
        x[t] = share * x[t - 1] + noise[t]
    return x


_NAMES = _words("Ada Ben Cleo Dora Emil Flora Gus Hanna Ivo Jette Karl Lena")
_ANIMALS = _words("badger cat crow dog duck fox goat hare mouse owl pig toad")
_PLACES = _words("barn bridge cave forest garden hill lake meadow mill river")
_THINGS = _words("apple bell book coin crown drum key lamp ring shell")
_KINDS = _words("blue golden green heavy little old red shiny")
_FEELINGS = _words("brave glad hungry proud sad tired")


class _Dice:
    """Choices, all alike likely, and how surprising they were together."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self.nats = 0.0

    def among(self, choices: Sequence[str]) -> str:
        self.nats += float(np.log(len(choices)))
        return choices[int(self._random.integers(len(choices)))]


def _tale(dice: _Dice) -> str:
    """A few lines in which names and things come back that were told before."""
    hero, animal, friend = map(dice.among, (_NAMES, _ANIMALS, _ANIMALS))
    place, kind, thing = map(dice.among, (_PLACES, _KINDS, _THINGS))
    feeling = dice.among(_FEELINGS)
    other = _article(friend)
    middle = [
        f"{hero} went to the {place} and met {other}.",
        f"At the {place} {other} was waiting for {hero}.",
        f"{other.capitalize()} came to the {place}, and {hero} was not alone.",
    ]
    end = [
        f"So {hero} gave the {thing} to the {friend}.",
        f"The {friend} took the {thing} and ran away.",
        f"They hid the {thing} at the {place}.",
        f"But the {thing} was lost, and {hero} went home.",
    ]
    lines = [
        f"{hero} the {animal} had {_article(kind)} {thing}.",
        dice.among(middle),
        f'"What {_article(thing)}!" said the {friend}.',
        dice.among(end),
        f"And {hero} the {animal} was {feeling}.",
    ]
    return "\n".join([*lines, "", ""])


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def tales() -> tuple[str, float]:
    """Tales, and the nats a character that their choices are worth."""
    dice = _Dice()
    text = "".join(_tale(dice) for _ in range(900))
    return text, dice.nats / len(text)


if __name__ == "__main__":
    lengths = "length,width"
    write("imbalanced.csv", f"{lengths},kind", clouds({"common": 375, "rare": 15}, 2))
    write("overlapping.csv", f"{lengths},kind", clouds({"common": 440, "rare": 60}, 1))
    write("typo.csv", f"{lengths},long", typo())
    write("careless.csv", f"{lengths},long", careless())
    write("loans.csv", "income,debt,letters,repaid", loans())
    write("kilns.csv", "gauge,flow,cracked", kilns())
    write("filled.csv", "left,middle,right,flow", filled())
    write("cafes.csv", "town,month,weekday,price,cups", cafes())
    write("pumps.csv", "vibration,temperature,pressure,current,state", pumps())
    write("load.csv", "weekday,hour,temperature,load", load())
    text, nats = tales()
    (HERE / "tales.txt").write_text(text, "utf-8")
    print(f"tales.txt: {nats:.3f} nats a character")
