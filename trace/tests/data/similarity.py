#!/usr/bin/env python3
"""Writes similarity.tsv: pairs of sequences and their similarity by Python's difflib, what the tests of SequenceMatcher compare with.

A line: first sequence, second sequence (numbers with commas between), ratio as Python prints it; tabs between. Same lines in every run.
"""
import difflib, os, random


def pairs(rng):
    yield [], []
    yield [], [1]
    yield [1], []
    yield list(range(500)), list(range(250, 750))
    for size in [2, 5, 12, 30, 60, 200]:
        for _ in range(40 if size < 100 else 4):
            one = rng.sample(range(2 * size), size)
            # Another choice, the same one shuffled, moved about, and thinned out.
            yield one, rng.sample(range(2 * size), size)
            yield one, rng.sample(one, size)
            other = one[:]
            for _ in range(1 + size // 8):
                start, end = sorted(rng.choices(range(size + 1), k=2))
                piece, other[start:end] = other[start:end], []
                at = rng.randrange(len(other) + 1)
                other[at:at] = piece
            yield one, other
            yield other, [element for element in one if rng.random() < 0.7] + [-1 + 3 * size]
            # With repetition: few different elements, and texts that quote themselves.
            yield rng.choices(range(3), k=size), rng.choices(range(3), k=size)
            yield one[: size // 2] * 2, one[size // 3 :] + one[: size // 2]


def main():
    rng = random.Random(20260)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "similarity.tsv")
    with open(path, "w") as out:
        for one, other in pairs(rng):
            ratio = difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
            texts = [",".join(map(str, sequence)) for sequence in (one, other)]
            out.write("\t".join([*texts, repr(ratio)]) + "\n")


if __name__ == "__main__":
    main()
