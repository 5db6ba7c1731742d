"""The dashboard of an online shop: visits, orders, conversion, revenue and technical errors.

Visits are a Poisson process with a daily and a weekly profile, and orders a thinned one, as in Brown et al.,
"Statistical analysis of a telephone call center" (Journal of the American Statistical Association, 2005). That paper's
variance-stabilising square root generates the counts. Funnel and failures follow Kohavi, Tang and Xu, "Trustworthy
online controlled experiments" (2020).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from ape.evals.timeanomalybench.processes import bump, lagged, rare_days, smooth_noise
from ape.evals.timeanomalybench.scenario import Fault, Scenario, Simulation, Texts, World

BASKET = 62.0  # EUR
RATIO = 0.026  # orders per visit
WINDOW = 18  # time steps over which the dashboard averages the conversion
MAILING = 10.0  # hour at which the newsletter is sent, on Tuesdays and Fridays
LATE = 18.0  # hour at which it is sent if the job hangs


def _counts(mean: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Turn standard normal ``noise`` [T] into counts with the variance of a Poisson process."""
    return np.round((np.sqrt(mean) + noise / 2) ** 2)


def _trailing(values: np.ndarray) -> np.ndarray:
    return lfilter(np.ones(WINDOW), [1.0], values)


def _mailing_day(world: World) -> np.ndarray:
    return (world.weekday == 1) | (world.weekday == 4)


def simulate(world: World) -> Simulation:
    """Simulate the shop."""
    day = world.day
    sale = rare_days(world, 0.05)
    size, echo = world.rng.normal(1.0, 0.06, day.max() + 1)[day], world.rng.uniform(0.8, 1.2, day.max() + 1)[day]
    mood, taste = smooth_noise(world, 2700.0), smooth_noise(world, 7200.0)
    burst = np.minimum(world.rng.exponential(size=world.length), 4.0)
    noise = world.rng.normal(size=(4, world.length))

    course = 220 + 900 * bump(world.hour, 13.0, 3.0) + 1300 * bump(world.hour, 20.5, 2.5)
    course = course * size * np.exp(0.06 * mood) * np.where(world.weekday >= 5, 1.15, 1.0) * np.where(sale, 1.25, 1.0)
    late, letters = world.strength("late_newsletter"), _mailing_day(world) * echo
    sent = (np.abs(world.hour - MAILING) < 0.01) * (1 - late) + (np.abs(world.hour - LATE) < 0.01) * late
    readers = 10_000 * lagged(lagged(letters * sent, world, 900.0), world, 5400.0)
    people = course + readers

    scraped = 450 * burst * world.strength("bot_traffic")
    tracked = 1 - world.strength("tracking_loss")
    visits = _counts(tracked * (people + scraped), noise[0])

    wrong, outage = world.strength("price_error"), 0.6 * world.strength("payment_outage")
    wanted = RATIO * people * (0.8 + 0.3 * bump(world.hour, 20.5, 4.0)) * np.exp(0.05 * taste) * (1 + 0.2 * wrong)
    failed = outage * wanted
    back = lagged(0.35 * failed, world, 5400.0)  # some customers come back later
    orders = _counts((1 - outage) * (wanted + back), noise[1])
    basket = BASKET * np.where(sale, 0.9, 1.0) * (1 - 0.3 * wrong)
    spread = 1 + 0.6 * noise[2] / np.sqrt(np.maximum(orders, 4.0))
    return Simulation(
        {
            "visits": visits,
            "orders": orders,
            "conversion": 100 * _trailing(orders) / np.maximum(_trailing(visits), 1.0),
            "revenue": orders * basket * np.maximum(spread, 0.2),
            "errors": _counts(2.0 + 0.012 * people + 0.03 * scraped + 1.3 * failed, noise[3]),
        },
        sale,
    )


SCENARIO = Scenario(
    name="web_shop",
    domain="online retail",
    units={"visits": "1", "orders": "1", "conversion": "%", "revenue": "EUR", "errors": "1"},
    step=600.0,
    cycle=144,
    simulate=simulate,
    faults=(
        Fault(
            "payment_outage",
            "abrupt_change",
            "step",
            "a payment provider is down: checkouts fail, some customers come back later",
            duration=(4, 24),
            scale=(0.7, 6.0),
            shows=("orders", "conversion", "revenue", "errors"),
            root=("errors",),
            precondition="in busy hours, when the provider is at its limit",
            when=lambda channels, world: (world.hour > 11) & (world.hour < 22),
        ),
        Fault(
            "bot_traffic",
            "noise_increase",
            "rough_stretch",
            "a scraper reads the catalogue in bursts and buys nothing",
            duration=(18, 60),
            scale=(1.5, 9.0),
            shows=("visits", "conversion", "errors"),
            root=("visits",),
            precondition="starts at night",
            when=lambda channels, world: world.hour < 5,
        ),
        Fault(
            "price_error",
            "gain_change",
            "scaled_cycles",
            "a faulty price list sells part of the range too cheaply: more orders, less revenue from each",
            duration=(36, 288),
            scale=(0.3, 2.0),
            shows=("orders", "conversion", "revenue"),
            root=("revenue",),
            precondition="from the price import at six in the morning",
            when=lambda channels, world: (world.hour >= 6) & (world.hour < 7),
        ),
        Fault(
            "tracking_loss",
            "signal_loss",
            "gap",
            "the tag that counts visits is lost on some or all pages while orders go on",
            duration=(3, 12),
            scale=(0.4, 13.0),
            shows=("visits", "conversion"),
            root=("visits",),
            precondition="with a release, on a working day",
            when=lambda channels, world: (world.weekday < 5) & (world.hour > 9) & (world.hour < 17),
        ),
        Fault(
            "late_newsletter",
            "misplaced_pattern",
            "foreign_pattern",
            "the mailing job hangs and the readers come in the evening instead of the morning",
            duration=(66, 84),
            scale=(0.3, 2.0),
            shows=("visits", "orders", "conversion", "revenue", "errors"),
            root=("visits",),
            precondition="on a Tuesday or a Friday before the mailing at ten",
            when=lambda channels, world: _mailing_day(world) & (world.hour > 8) & (world.hour < 9.9),
        ),
    ),
    texts=Texts(
        measured=(
            "Online shop, counted every ten minutes.\n"
            "visits: sessions begun, counted by a tag in the pages.\n"
            "orders: orders placed, counted by the shop.\n"
            "conversion: orders per visit over the last three hours, %.\n"
            "revenue: value of the orders placed, EUR.\n"
            "errors: failed page views and checkouts.\n"
        ),
        manual=(
            "Typical failures. A payment provider down: orders sink and errors rise together while visits hold;\n"
            "when it is back, some customers order after all. Scrapers: visits jump up and down from the small\n"
            "hours on, the conversion sinks, orders do not move. Wrong prices: after the import at six there are\n"
            "rather more orders than usual, but the till holds less than the number of orders promises. Lost tag:\n"
            "after a release visits fall to nothing or to a part while orders come in as ever; the conversion\n"
            "looks splendid. Newsletter: it leaves on Tuesdays and Fridays at ten; if the job hangs, the rush\n"
            "comes in the evening. Sale days are busy days with smaller baskets and no failure.\n"
        ),
        routine=(
            "newsletter ready, {n} thousand recipients",
            "price import finished, {n} articles changed",
            "sale banner switched on",
            "release {n}.0 live, smoke tests green",
        ),
        incidents=(
            "sister shop: credit card provider down for {n} h at noon, orders broke in",
            "scraper from {n} addresses blocked, had read the catalogue since 02:00",
            "last spring: comma lost in the price import, {n} articles far too cheap until the afternoon",
            "sister shop: consent banner blocked the counting tag, {n} intervals without visits",
            "mailing job hung on a lock, newsletter no. {n} left in the evening",
        ),
        misleading=(
            "customer complains that card was refused {n} times; card had expired",
            "test of the alarm for errors, {n} test orders, cancelled",
        ),
    ),
)
