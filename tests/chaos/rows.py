"""What goes in: rows with an id of their own and a number within their key, some of them poison; and the models that
score them, each version unlike all others, with the answers it must give."""
import functools
import hashlib
import json
import random

import numpy

from harness import FEATURES
from models import linear_classifier

KEYS = 5_000
POISON_CHANCE = 0.01


class Rows:
    """An endless iterator of (key, value). While `poison` is set one row in a hundred can't be scored. The id of a row,
    User_ID, is its key and its number within the key."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.numbers = [0] * KEYS
        self.poison = False

    def __iter__(self):
        return self

    def __next__(self):
        key = self.random.randrange(KEYS)
        self.numbers[key] += 1
        user = f"k{key:05d}-{self.numbers[key]}"
        bits = self.random.getrandbits(len(FEATURES))
        fields = {feature: bits >> i & 1 for i, feature in enumerate(FEATURES)}
        value = json.dumps({**fields, "User_ID": user}, separators=(",", ":")).encode()
        if self.poison and self.random.random() < POISON_CHANCE:
            value = self._spoil(value, fields, user)
        return f"k{key:05d}".encode(), value

    def _spoil(self, value, fields, user):
        return self.random.choice([
            value[:-3],
            json.dumps({**fields, FEATURES[3]: "poison", "User_ID": user}).encode(),
            json.dumps([user]).encode(),
            b'{"User_ID":"' + user.encode() + b'","G1":\xff}',
        ])


def number_within_key(value):
    """The row's number within its key; None of a row that can't be read."""
    try:
        return int(json.loads(value)["User_ID"].rpartition("-")[2])
    except (ValueError, TypeError, KeyError):
        return None


def bits_of(value):
    """The features as one number; None for poison."""
    try:
        row = json.loads(value)
        bits = 0
        for i, feature in enumerate(FEATURES):
            if row[feature] not in (0, 1):
                return None
            bits |= row[feature] << i
        return bits
    except (ValueError, TypeError, KeyError):
        return None


class Versions:
    """Model files, each with weights of its own. `by_sha256` knows their answers to all rows there can be."""

    def __init__(self, directory, seed):
        self.directory, self.seed = directory, seed
        directory.mkdir(parents=True, exist_ok=True)
        self.by_sha256 = {}
        self.made = 0

    def make(self):
        """The next file."""
        self.made += 1
        dice = numpy.random.default_rng([self.seed, self.made])
        weights = dice.normal(0, 1.5, len(FEATURES)).astype(numpy.float32)
        intercept = numpy.float32(dice.normal(0, 0.5))
        file = linear_classifier(numpy.vstack([-weights, weights]), numpy.array([-intercept, intercept]), [0, 1],
                                 "LOGISTIC", self.directory / f"games-{self.made}.onnx")
        self.by_sha256[hashlib.sha256(file.read_bytes()).hexdigest()] = answers(weights, intercept)
        return file

    def predictor(self, sha256_of):
        """For checks.check: (version, values) -> the expected `pred`; NaN, which nothing equals, for poison and for a
        version that nobody pushed. sha256_of: {version: sha256}, from the control topic."""
        def predict(version, values):
            table = self.by_sha256.get(sha256_of.get(version))
            if table is None:
                return numpy.full(len(values), numpy.nan)
            bits = [bits_of(value) for value in values]
            known = numpy.array([-1 if b is None else b for b in bits])
            return numpy.where(known < 0, numpy.nan, table[known])
        return predict


def answers(weights, intercept):
    """Probability of the positive class for each of the 2^10 rows, bit i being feature i."""
    scores = all_rows() @ weights.astype(numpy.float64) + float(intercept)
    return 1 / (1 + numpy.exp(-scores))


@functools.cache
def all_rows():
    return (numpy.arange(1 << len(FEATURES))[:, None] >> numpy.arange(len(FEATURES)) & 1).astype(numpy.float64)
