"""The saved figure of the chapter on sequences."""

import characters

import gpunn


def letters():
    """A character model of a grammar's text: bits a letter, and its right sentences by temperature; 12 s."""
    grammar = characters.Grammar(0)
    text = grammar.text(300_000)
    gpunn.manual_seed(0)
    model = characters.CharacterModel()
    bits = characters.train(model, text, 800)
    texts = {t: characters.sample(model, 500, t, rows=16) for t in characters.TEMPERATURES}
    shares = {t: characters.grammatical(found) for t, found in texts.items()}
    return characters.drawn(bits, grammar.bits / len(text), shares)
