"""Numbers as people read them: percent, points, decimals, counts, sizes, times, and the names of metrics.

All are pure functions from numbers to text; sentences.py and the page are made of nothing else.
"""

from __future__ import annotations

import math

from keiki.evaluation.report.schema import Interval

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"

# Metrics whose value is a share of items and reads best in percent. Everything else is written as a decimal.
PERCENT = {"accuracy", "balanced_accuracy", "recall", "precision", "coverage"}
# Metrics of which less is better. Differences are turned so that above zero speaks for the model named first.
LOWER_IS_BETTER = {"log_loss", "brier", "ece", "mae", "rmse"}
# Names that capitals or custom make different from their identifier.
TITLES = {
    "f1": "F1",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "micro_f1": "micro F1",
    "roc_auc": "ROC AUC",
    "macro_roc_auc": "macro ROC AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
}


def metric_key(name: str) -> str:
    """One spelling for 'macro-f1', 'macro_f1' and 'Macro F1'."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def metric_title(name: str) -> str:
    """A metric's name for people.

    >>> metric_title("macro-f1"), metric_title("log_loss")
    ('macro F1', 'log loss')
    """
    key = metric_key(name)
    return TITLES.get(key, key.replace("_", " "))


def is_percent(name: str) -> bool:
    """Whether the metric `name` is written in percent."""
    return metric_key(name) in PERCENT


def percent(share: float, digits: int = 0, most: int = 1) -> str:
    """A share in percent; never rounded to 0 or 100 when it is neither, and with at most `most` decimals: three of them
    would look like thousands.

    >>> percent(0.893), percent(0.994), percent(0.9996), percent(1.0), percent(0.0004)
    ('89 %', '99 %', 'over 99.9 %', '100 %', 'under 0.1 %')
    """
    for decimals in range(digits, max(digits, most) + 1):
        text = f"{100 * share:.{decimals}f}"
        if (float(text) != 100 or share >= 1) and (float(text) != 0 or share <= 0):
            return f"{text.replace('-', MINUS)} %"
    return f"over {100 - 10.0**-decimals:g} %" if share > 0.5 else f"under {10.0**-decimals:g} %"


def percent_range(low: float, high: float, digits: int = 0) -> str:
    """Two limits in percent, the sign said once; as one share where a decimal does not tell them apart.

    The lower one is never rounded to 100 and the higher one never to 0 when they are not.

    >>> percent_range(0.803, 0.941), percent_range(0.991, 0.994), percent_range(0.9996, 0.9999)
    ('80–94 %', '99.1–99.4 %', '99.9–100.0 %')
    """
    if low == high:
        return percent(low, digits)
    for decimals in (digits, max(digits, 1)):
        a, b = (f"{100 * share:.{decimals}f}" for share in (low, high))
        falsely_all, falsely_none = float(a) == 100 and low < 1, float(b) == 0 and high > 0
        if a != b and not (falsely_all or falsely_none):
            return f"{a}{DASH}{b} %".replace("-", MINUS)
    a, b = "99.9" if falsely_all else a, "0.1" if falsely_none else b
    return percent(low, digits) if a == b else f"{a}{DASH}{b} %".replace("-", MINUS)


def points(difference: float, digits: int = 0) -> str:
    """A difference of shares in percentage points, signed.

    >>> points(0.312), points(-0.08)
    ('+31', '−8')
    """
    return _signed(100 * difference, digits)


def decimal(value: float, digits: int = 2) -> str:
    """A plain decimal with a true minus sign.

    >>> decimal(0.8412), decimal(-0.5)
    ('0.84', '−0.50')
    """
    text = f"{abs(value):.{digits}f}"
    return f"{MINUS}{text}" if value < 0 and float(text) else text


def score(interval: Interval, metric: str) -> str:
    """The value of a metric, in its own manner.

    >>> score(Interval(value=0.84, low=0.78, high=0.9), "macro-f1")
    '0.84'
    """
    digits = _digits(interval, metric)
    return percent(interval.value, digits, most=2) if is_percent(metric) else decimal(interval.value, digits)


def limits(interval: Interval, metric: str) -> str:
    """The confidence limits of a metric, in its own manner.

    >>> limits(Interval(value=0.84, low=0.78, high=0.9), "macro-f1")
    '0.78–0.90'
    """
    digits = _digits(interval, metric)
    if is_percent(metric):
        return percent_range(interval.low, interval.high, digits)
    return _joined(interval, decimal(interval.low, digits), decimal(interval.high, digits))


def difference(interval: Interval, metric: str) -> str:
    """A signed paired difference: '+31 points' for metrics in percent, else a signed decimal.

    >>> difference(Interval(value=0.31, low=0.22, high=0.4), "accuracy")
    '+31 points'
    """
    digits = _digits(interval, metric)
    if is_percent(metric):
        text = points(interval.value, digits)
        return f"{text} point" if text in ("+1", f"{MINUS}1") else f"{text} points"
    return _signed(interval.value, digits)


def difference_limits(interval: Interval, metric: str) -> str:
    """The limits of a paired difference: '22–40', or '−2 to +8' as soon as a sign is needed.

    >>> difference_limits(Interval(value=0.03, low=-0.02, high=0.08), "accuracy")
    '−2 to +8'
    """
    digits = _digits(interval, metric)
    scale = 100 if is_percent(metric) else 1
    if interval.low >= 0:
        return f"{scale * interval.low:.{digits}f}{DASH}{scale * interval.high:.{digits}f}"
    return f"{_signed(scale * interval.low, digits)} to {_signed(scale * interval.high, digits)}"


def change(interval: Interval, metric: str) -> str:
    """A paired difference with its metric: what it is a difference of, and which way it points.

    >>> lead = Interval(value=0.31, low=0.22, high=0.4)
    >>> change(lead, "accuracy"), change(lead, "macro-f1"), change(lead, "log_loss")
    ('+31 points', '+0.31 in macro F1', '0.31 lower log loss')
    """
    if is_percent(metric):
        return difference(interval, metric)
    title = metric_title(metric)
    if metric_key(metric) not in LOWER_IS_BETTER:
        return f"{difference(interval, metric)} in {title}"
    return f"{_less(interval.value, _digits(interval, metric))} {title}"


def change_limits(interval: Interval, metric: str) -> str:
    """The limits of `change`; where less is better they say which way each points, as soon as they differ.

    >>> change_limits(Interval(value=0.03, low=-0.02, high=0.08), "log_loss")
    '0.02 higher to 0.08 lower'
    """
    if metric_key(metric) not in LOWER_IS_BETTER or interval.low >= 0:
        return difference_limits(interval, metric)
    digits = _digits(interval, metric)
    if interval.high <= 0:
        return f"{-interval.high:.{digits}f}{DASH}{-interval.low:.{digits}f}"
    return f"{_less(interval.low, digits)} to {_less(interval.high, digits)}"


def count(n: int) -> str:
    """A count with thin spaces between thousands.

    >>> count(12345), count(999)
    ('12\\u202f345', '999')
    """
    return f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def of(n: int, noun: str) -> str:
    """A count with its noun in the right number.

    >>> of(1, "photos"), of(80, "items"), of(1, "classes")
    ('1 photo', '80 items', '1 class')
    """
    return f"{count(n)} {singular(noun) if n == 1 else noun}"


def verb(n: int, one: str, many: str) -> str:
    """The form of a verb that goes with `n` things.

    >>> of(1, "labels"), verb(1, "looks", "look")
    ('1 label', 'looks')
    """
    return one if n == 1 else many


def singular(noun: str) -> str:
    """The singular of the plural nouns that the report uses."""
    irregular = {"classes": "class", "copies": "copy", "boxes": "box"}
    return irregular.get(noun, noun.removesuffix("s"))


def size(n_bytes: int) -> str:
    """Bytes in decimal units, three significant digits at most.

    >>> size(13_640_000), size(812)
    ('13.6 MB', '812 B')
    """
    units = ("B", "kB", "MB", "GB", "TB")
    power = next((i for i in range(len(units)) if n_bytes < 999.5 * 1000**i), len(units) - 1)
    return f"{n_bytes / 1000**power:.3g} {units[power]}"


def seconds(duration: float) -> str:
    """A duration for people.

    >>> seconds(0.0042), seconds(4.73), seconds(75), seconds(7260)
    ('4 ms', '4.7 s', '1 min 15 s', '2 h 1 min')
    """
    if duration < 0.0995:
        return f"{1000 * duration:.0f} ms"
    if duration < 59.95:
        return f"{duration:.1f} s"
    if duration < 3599.5:
        return f"{round(duration) // 60} min {round(duration) % 60} s"
    return f"{round(duration / 60) // 60} h {round(duration / 60) % 60} min"


def number(value: float) -> str:
    """A number of unknown kind, short: three significant digits, powers of ten as 10⁻³.

    >>> number(0.001), number(0.25), number(12000.0)
    ('10⁻³', '0.25', '1.2·10⁴')
    """
    if value == 0 or 0.01 <= abs(value) < 10000:
        return f"{value:.3g}".replace("-", MINUS)
    exponent = math.floor(math.log10(abs(value)) + 1e-12)
    mantissa = f"{value / 10**exponent:.3g}".replace("-", MINUS)
    power = _raised(exponent)
    return power if mantissa == "1" else f"{mantissa}·{power}"


def power(value: float) -> str:
    """A power of ten as such, anything else as `number` writes it.

    >>> power(0.001), power(1.0), power(0.5)
    ('10⁻³', '10⁰', '0.5')
    """
    exponent = round(math.log10(value))
    return _raised(exponent) if math.isclose(value, 10.0**exponent) else number(value)


def _raised(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _digits(interval: Interval, metric: str) -> int:
    """One more digit where the interval is so narrow that two values would look alike."""
    narrow = interval.high - interval.low < 0.04
    return (1 if narrow else 0) if is_percent(metric) else (3 if narrow else 2)


def _signed(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


def _less(lead: float, digits: int) -> str:
    """A lead in a metric of which less is better."""
    return f"{abs(lead):.{digits}f} {'lower' if lead >= 0 else 'higher'}"


def _joined(interval: Interval, low: str, high: str) -> str:
    return f"{low}{DASH}{high}" if interval.low >= 0 else f"{low} to {high}"
