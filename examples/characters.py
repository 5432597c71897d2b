"""A character model: an LSTM reads what a small grammar writes, letter by letter, and then writes its own.

Verbs agree with nouns, across relative clauses, too; at the end it needs 0.52 to 0.53 bits a letter, and no model fewer
than the 0.51 of the grammar's own choices. Of its sentences the grammar could have made 91 to 96 % at temperature 0.2,
76 to 87 % at 1 and 3 to 7 % at 2; seeds 0, 1, 2. A run takes 12 s on one CPU core, with its picture (matplotlib).

    python examples/characters.py [--seed 0] [--steps 800] [--out characters.png]
"""

from __future__ import annotations

import argparse
import math

import numpy as np

import gpunn
from gpunn import nn, ops, optim, pictures

NOUNS = {"cat": "cats", "dog": "dogs", "bird": "birds", "child": "children", "fox": "foxes"}
ADJECTIVES = ("old", "small", "happy", "loud")
TRANSITIVE = {"sees": "see", "likes": "like", "hears": "hear"}  # with one noun, with several
INTRANSITIVE = {"sleeps": "sleep", "sings": "sing", "waits": "wait"}
DETERMINERS = {False: ("the", "a"), True: ("the", "some")}  # by whether there are several
LETTERS = "abcdefghijklmnopqrstuvwxyz ."
TEMPERATURES = (0.2, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0)


class Grammar:
    """Draws sentences, in which verbs agree with their nouns, and adds up the bits of the choices that it makes.

    sentence: noun-phrase verb-phrase "."
    noun-phrase: determiner [adjective] noun ["that" verb-phrase]
    verb-phrase: intransitive | transitive noun-phrase
    """

    def __init__(self, seed: int):
        self.rng, self.bits = np.random.default_rng(seed), 0.0

    def text(self, length: int) -> str:
        """Sentences, so many letters of them at least."""
        found = ""
        while len(found) < length:
            found += self.sentence()
        return found

    def sentence(self) -> str:
        several = self._chance(0.5)
        return " ".join([*self._noun_phrase(several, 0.3), *self._verb_phrase(several)]) + ". "

    def _noun_phrase(self, several: bool, clause: float) -> list[str]:
        words = [self._one(DETERMINERS[several])]
        words += [self._one(ADJECTIVES)] if self._chance(0.3) else []
        words.append(self._one(tuple(NOUNS.values() if several else NOUNS)))
        return words + (["that", *self._verb_phrase(several)] if self._chance(clause) else [])

    def _verb_phrase(self, several: bool) -> list[str]:
        if self._chance(0.5):
            return [self._one(tuple(INTRANSITIVE.values() if several else INTRANSITIVE))]
        verb = self._one(tuple(TRANSITIVE.values() if several else TRANSITIVE))
        return [verb, *self._noun_phrase(self._chance(0.5), 0.2)]

    def _one(self, words: tuple[str, ...]) -> str:
        self.bits += math.log2(len(words))
        return words[self.rng.integers(len(words))]

    def _chance(self, p: float) -> bool:
        yes = bool(self.rng.random() < p)
        self.bits -= math.log2(p if yes else 1 - p)
        return yes


def is_sentence(text: str) -> bool:
    """Whether the grammar could have made this, without the full stop."""
    words = [*text.split(" "), "", "", ""]  # behind the end is none of the grammar's
    return any(len(words) - 3 in _verb_phrase(words, noun, several)
               for several in (False, True) for noun in _noun_phrase(words, 0, several))  # fmt: skip


def _noun_phrase(words: list[str], at: int, several: bool) -> list[int]:
    """Where noun phrases that begin at a word may end: the places behind them."""
    if words[at] not in DETERMINERS[several]:
        return []
    at += 2 if words[at + 1] in ADJECTIVES else 1
    if words[at] not in (NOUNS.values() if several else NOUNS):
        return []
    return [at + 1, *(_verb_phrase(words, at + 2, several) if words[at + 1] == "that" else [])]


def _verb_phrase(words: list[str], at: int, several: bool) -> list[int]:
    if words[at] in (INTRANSITIVE.values() if several else INTRANSITIVE):
        return [at + 1]
    if words[at] in (TRANSITIVE.values() if several else TRANSITIVE):
        return [end for number in (False, True) for end in _noun_phrase(words, at + 1, number)]
    return []


class CharacterModel(nn.Module):
    """Scores of the next letter after each letter."""

    def __init__(self, hidden: int = 128):
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS), 32)
        self.lstm, self.head = nn.LSTM(32, hidden), nn.Linear(hidden, len(LETTERS))

    def forward(self, letters, hx=None):
        y, hx = self.lstm(self.embedding(letters), hx)
        return self.head(y), hx


def train(model: CharacterModel, text: str, steps: int, rows: int = 32, length: int = 40) -> list[float]:
    """Bits a letter by step. The text is read in so many rows at once; states go from one step on to the next.

    Gradients stop at the border of two steps (truncated backpropagation through time): what is carried is detached.
    """
    codes = np.array([LETTERS.index(c) for c in text])
    columns = codes[: len(codes) // rows * rows].reshape(rows, -1).T  # (letters, rows)
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    bits, hx, at = [], None, 0
    for _ in range(steps):
        if at + length >= len(columns):
            hx, at = None, 0
        scores, hx = model(columns[at : at + length], hx)
        hx = tuple(state.detach() for state in hx)
        loss = ops.cross_entropy(ops.flatten(scores, 0, 1), columns[at + 1 : at + length + 1].ravel())
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        bits.append(loss.item() / math.log(2))
        at += length
    return bits


def sample(model: CharacterModel, count: int, temperature: float, rows: int = 1, seed: int = 0) -> list[str]:
    """Texts of so many letters: each drawn by softmax(scores / temperature), and then read as the next input.

    Below 1 the likely letters become likelier, above 1 all become more alike.
    """
    rng, hx, found = np.random.default_rng(seed), None, np.empty((count, rows), np.int64)
    letters = np.repeat([[LETTERS.index(".")], [LETTERS.index(" ")]], rows, 1)  # a sentence is over
    with gpunn.no_grad():
        for i in range(count):
            scores, hx = model(letters, hx)
            p = ops.softmax(scores[-1] / temperature, 1).numpy().astype(np.float64)
            found[i] = (rng.random((rows, 1)) < p.cumsum(1) / p.sum(1, keepdims=True)).argmax(1)
            letters = found[i][None]
    return ["".join(LETTERS[code] for code in column) for column in found.T]


def grammatical(texts: list[str]) -> float:
    """The share of whole sentences that the grammar could have made."""
    sentences = [part.strip() for text in texts for part in text.split(".")[:-1]]
    return sum(map(is_sentence, sentences)) / max(1, len(sentences))


def main(argv=None) -> dict[str, float]:
    """Train the model, let it write, write the picture, and return the figures that were printed."""
    parser = argparse.ArgumentParser(description="a character model of a small grammar's text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--out", default="characters.png", help="the picture's file")
    args = parser.parse_args(argv)

    grammar = Grammar(args.seed)
    text = grammar.text(300_000)
    best = grammar.bits / len(text)
    print(f"it reads: {text[:90]} ...")
    gpunn.manual_seed(args.seed)
    bits = train(model := CharacterModel(), text, args.steps)
    print(f"{np.mean(bits[-20:]):.3f} bits a letter; the grammar's own choices are {best:.3f}, which no model beats")
    shares = {}
    for temperature in TEMPERATURES:
        texts = sample(model, 500, temperature, rows=16, seed=args.seed)
        shares[temperature] = grammatical(texts)
        print(f"temperature {temperature}: {shares[temperature]:.0%} of its sentences are right: {texts[0][:70]}")
    print(pictures.save(drawn(bits, best, shares), args.out))
    return {"bits": float(np.mean(bits[-20:])), "best": best, "right at 0.5": shares[0.5], "right at 2": shares[2.0]}


def drawn(bits, best, shares):
    """Bits a letter while it learns, and the share of right sentences by temperature."""
    figure = pictures.new_figure(10, 3.6)
    learning, writing = figure.subplots(1, 2)
    learning.loglog(np.arange(1, len(bits) + 1), bits, label="the model")
    learning.axhline(best, color="black", linestyle=":", label=f"the grammar's choices, {best:.2f}")
    learning.axhline(math.log2(len(LETTERS)), color="grey", linestyle=":", label=f"{len(LETTERS)} letters, all alike")
    learning.set(title="bits a letter", xlabel="step", ylim=(0.3, 8))
    learning.set_yticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    learning.minorticks_off()
    learning.legend(bbox_to_anchor=(1, 0.83), loc="upper right", fontsize=8)
    writing.plot(list(shares), [100 * share for share in shares.values()], marker="o")
    writing.set(title="sentences that it writes rightly", xlabel="temperature", ylabel="%", ylim=(0, 100))
    return figure


if __name__ == "__main__":
    main()
