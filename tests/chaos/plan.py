"""When which faults come: all of it follows from the seed, except which of the possible targets there are then."""
import collections
import random

# Kind -> seconds that it lasts, from and to. What is over in a moment lasts 0; its process starts again later.
DURATIONS = {
    "kill-node": (0, 0), "kill-owner": (0, 0), "kill-coordinator": (0, 0), "kill-scorer": (0, 0),
    "freeze-short": (1, 3), "freeze-long": (5, 20), "freeze-scorer": (4, 8),
    "broker-kill": (1, 4), "broker-restart": (1, 4), "broker-freeze": (1, 6),
    "delay": (5, 12), "loss": (5, 12), "cut-kafka": (3, 12), "cut-peers": (3, 12), "cut-one-way": (3, 12),
    "push": (0, 0), "rollback": (0, 0), "join": (15, 30), "leave": (0, 0), "poison": (6, 12), "cpu-hog": (4, 8),
    "delayed-end-txn": (12, 18),
}
# How often a kind is in the pack; the others once. Most kills should fall into open transactions.
OFTEN = {"kill-owner": 8, "kill-coordinator": 2}
SLOT_S = (5, 10)
ALONE_S = 4
EMPTY_CHANCE = 0.25
TOGETHER_MAX = 3

Wanted = collections.namedtuple("Wanted", "kind seconds pick")      # pick: which target, from 0 to 1
Slot = collections.namedtuple("Slot", "at wanted")


def make_plan(seed, seconds, kinds, alone=False):
    """Slots of 0 to 3 faults, 5 to 10 s apart. Kinds are dealt from a shuffled pack, so that all come before one comes
    again. `alone`: one at a time, all equally often, the next ALONE_S and a slot after its end."""
    dice = random.Random(seed)
    pack, slots, at = [], [], 0.0
    while True:
        at += dice.uniform(*SLOT_S)
        if at >= seconds:
            return slots
        size = 0 if dice.random() < EMPTY_CHANCE else dice.randint(1, TOGETHER_MAX)
        wanted = []
        for _ in range(1 if alone else size):
            if not pack:
                pack = [kind for kind in sorted(kinds) for _ in range(1 if alone else OFTEN.get(kind, 1))]
                dice.shuffle(pack)
            kind = next((k for k in reversed(pack) if k not in [w.kind for w in wanted]), None)
            if kind is None:
                break
            pack.remove(kind)
            wanted.append(Wanted(kind, dice.uniform(*DURATIONS[kind]), dice.random()))
        slots.append(Slot(at, wanted))
        if alone:
            at += wanted[0].seconds + ALONE_S
