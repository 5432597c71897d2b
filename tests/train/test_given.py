"""Arguments of another kind than a Trainer, a CapturedStep and `predict` take, each refused in a sentence."""

import numpy as np
import pytest

from gpunn import data, nn, ops, optim, train
from gpunn.errors import UsageError

X, Y = np.ones((4, 3), np.float32), np.zeros(4, np.int64)
PAIRS = [(X, Y)]


def made(kind=train.Trainer, loss=ops.cross_entropy, **options):
    model = nn.Linear(3, 2)
    optimizer = options.pop("optimizer", None) or optim.SGD(model.parameters(), lr=0.1)
    return kind(options.pop("model", model), optimizer, loss, **options)


def captured(**options):
    model = nn.Linear(3, 2)
    return train.CapturedStep(model, ops.cross_entropy, optim.SGD(model.parameters(), lr=0.1), **options)


def learnt(loss):
    return made(loss=loss).fit(PAIRS)


WRONG = {
    "epochs": (
        lambda: made().fit(PAIRS, epochs="3"),
        "Trainer.fit: epochs must be a whole number of at least 1, got '3'",
    ),
    "half an epoch": (lambda: made().fit(PAIRS, epochs=1.5), "epochs must be a whole number of at least 1, got 1.5"),
    "a model as a loader": (
        lambda: made().fit(nn.Linear(3, 2)),
        "Trainer.fit: train_loader is a Linear, expected what gives batches (x, y); pass a gpunn.data.DataLoader",
    ),
    "a model to validate": (lambda: made().fit(PAIRS, nn.Linear(3, 2)), "fit: val_loader is a Linear, expected what"),
    "none to evaluate": (
        lambda: made().evaluate(None),
        "Trainer.evaluate: loader is None, expected what gives batches",
    ),
    "a data set": (
        lambda: made().fit(data.ArrayDataset(X, Y)),
        "train_loader is a ArrayDataset, expected batches (x, y) and not single samples; pass gpunn.data.DataLoader(d",
    ),
    "turned round": (
        lambda: made(model=optim.SGD(nn.Linear(3, 2).parameters(), lr=0.1), optimizer=nn.Linear(3, 2)),
        "Trainer: model is a SGD, expected a Module; pass a network that was made",
    ),
    "a class of models": (lambda: made(model=nn.Linear), "Trainer: model is the class Linear, expected a Module"),
    "a class of optimisers": (
        lambda: made(optimizer=optim.SGD),
        "Trainer: optimizer is the class SGD, expected an optimizer; pass gpunn.optim.SGD(model.parameters(), lr=0.1)",
    ),
    "a loss by name": (
        lambda: made(loss="mse"),
        "Trainer: the loss is a str, expected a function of (output, target); p",
    ),
    "a rate as an average": (lambda: made(ema=0.999), "ema is a float, expected an EMA; pass gpunn.train.EMA(0.999)"),
    "a schedule by name": (
        lambda: made(schedule="cosine"),
        "Trainer: schedule is a str, expected a schedule of gpunn.",
    ),
    "one callback": (lambda: made(callbacks=train.GradientNormLog()), "expected a list of Callbacks; pass [callback]"),
    "an average": (
        lambda: made(callbacks=train.EMA(0.9)),
        "callbacks is a EMA, expected a list of Callbacks; pass ema=",
    ),
    "a function": (lambda: made(callbacks=[print]), "expected a Callback; derive its class from gpunn.train.Callback"),
    "a class of callbacks": (
        lambda: made(callbacks=[train.ProgressBar]),
        "callbacks[0] is the class ProgressBar, expected a Callback; make it first",
    ),
    "one metric": (
        lambda: made(metrics=train.accuracy),
        'metrics is a function, expected a dict of functions by name; pass {"accuracy": gpunn.train.accuracy}',
    ),
    "a metric by name": (lambda: made(metrics={"a": "dice"}), "metrics['a'] is a str, expected a function of (output,"),
    "a limit": (lambda: made(grad_clip="1"), "Trainer: grad_clip must be > 0, got '1'; leave it out for no clipping"),
    "half a batch": (
        lambda: captured(accumulate=1.5),
        "CapturedStep: accumulate must be a whole number of at least 1, g",
    ),
    "captured average": (
        lambda: captured(ema=0.9),
        "CapturedStep: ema is a float, expected an EMA; pass gpunn.train.E",
    ),
    "a number": (
        lambda: learnt(lambda output, y: output.mean().item()),
        "Trainer: the loss is a float, expected a Tensor; return what ops compute of the output, and not its .item()",
    ),
    "nothing": (
        lambda: learnt(lambda output, y: None),
        "Trainer: the loss is None, expected a Tensor; return what ops",
    ),
    "a loss each": (
        lambda: learnt(lambda output, y: ops.cross_entropy(output, y, reduction="none")),
        "Trainer: the loss has shape (4,), expected one number; take its mean",
    ),
    "outputs of a loader": (
        lambda: train.predict(nn.Linear(3, 2), data.DataLoader(data.ArrayDataset(X, Y))),
        "predict: x is a DataLoader, expected an array (N, ...); pass the inputs themselves, without a loader",
    ),
    "epochs to wait": (
        lambda: train.EarlyStopping(patience="3"),
        "expected patience >= 1 and min_delta >= 0, got '3' an",
    ),
    "what to watch": (
        lambda: train.EarlyStopping(3),
        "EarlyStopping: monitor is 3, expected a name such as 'va",
    ),
    "a state's place": (
        lambda: train.save_checkpoint({"a": 1}, "x.npz"),
        "save_checkpoint: path is a dict, expected a file's; pass the path first, then the state",
    ),
    "a file's place": (
        lambda: train.load_weights(nn.Linear(3, 2), "best.npz"),
        "load_weights: path is a Module, expected a file; pass the path first, then the model",
    ),
}


@pytest.mark.parametrize("call, words", WRONG.values(), ids=WRONG)
def test_refused(call, words):
    with pytest.raises(UsageError) as caught:
        call()
    assert words in str(caught.value)


def test_a_seed_is_a_number():
    with pytest.raises(TypeError, match="Trainer: seed is '1', expected an int"):
        made(seed="1")


def test_a_loss_that_is_measured_alone_may_be_a_number():
    assert made(loss=lambda output, y: 2.5).evaluate(PAIRS)["loss"] == 2.5


def test_epochs_count_all_and_a_warning_says_so():
    run = made()
    run.fit(PAIRS, epochs=2)
    with pytest.warns(UserWarning, match="2 epochs are done, and epochs=2 counts all: nothing is left .* epochs=3 for"):
        assert len(run.fit(PAIRS, epochs=2)) == 2
    assert len(run.fit(PAIRS, epochs=3)) == 3
