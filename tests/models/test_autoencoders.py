"""Auto-encoders: shapes, losses beside formulas and PyTorch, noise, what they refuse; the linear one beside PCA."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

import gpunn
from gpunn import data, models, nn, optim, random, train
from gpunn.engine.tensor import Tensor

IMAGES = np.random.default_rng(0).random((6, 1, 8, 8), np.float32)
SMALL = {
    "autoencoder": lambda: models.autoencoder(1, 8, (16,), 3),
    "linear_autoencoder": lambda: models.linear_autoencoder(1, 8, 3),
    "denoising_autoencoder": lambda: models.denoising_autoencoder(1, 8, (16,), 3),
    "conv_autoencoder": lambda: models.conv_autoencoder(1, 8, (4, 6), 3),
    "sparse_autoencoder": lambda: models.sparse_autoencoder(1, 8, 96),
    "sparse, l1": lambda: models.sparse_autoencoder(1, 8, 96, "l1", weight=0.1),
    "vae": lambda: models.vae(1, 8, (16,), 3),
}
COUNTS = {
    "autoencoder": 784 * 128 + 128 + 128 * 32 + 32 + 32 * 128 + 128 + 128 * 784 + 784,
    "linear_autoencoder": 784 * 32 + 32 + 32 * 784 + 784,
    "denoising_autoencoder": 784 * 500 + 500 + 500 * 100 + 100 + 100 * 500 + 500 + 500 * 784 + 784,
    "conv_autoencoder": 160 + 4640 + 1568 * 32 + 32 + 32 * 1568 + 1568 + 8208 + 257,
    "sparse_autoencoder": 784 * 1024 + 1024 + 1024 * 784 + 784,
    "vae": 784 * 500 + 500 + 2 * (500 * 20 + 20) + 20 * 500 + 500 + 500 * 784 + 784,
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_count(name):
    with nn.init.skip():
        model = getattr(models, name)()
    assert sum(p.size for p in model.parameters()) == COUNTS[name]


@pytest.mark.parametrize("name", SMALL)
def test_both_modes_and_both_ways(name):
    model = SMALL[name]()
    output = model(Tensor(IMAGES))
    assert getattr(output, "reconstruction", output).shape == IMAGES.shape
    loss = model.loss(output, IMAGES)
    loss.backward()
    assert loss.shape == () and all(np.isfinite(p.gradient).all() for p in model.parameters())
    model.eval()
    codes = model.encode(IMAGES)
    assert codes.shape == (6, 96 if "sparse" in name else 3)
    assert np.array_equal(model(IMAGES).numpy(), model.decode(codes).numpy())
    assert np.isfinite(model.loss(model(IMAGES), IMAGES).item())
    for n in (0, 1):
        assert model(IMAGES[:n]).shape == (n, 1, 8, 8)
    wide, images = model.to(np.float64), IMAGES.astype(np.float64)
    assert wide(images).dtype == wide.loss(wide(images), images).dtype == np.float64


@pytest.mark.parametrize("name", SMALL)
def test_a_trainer_makes_the_loss_fall(name):
    digits = data.load("digits", limit=400).train[:, :, 2:26, 2:26].reshape(-1, 1, 8, 3, 8, 3).mean((3, 5)) / 255
    images = digits.astype(np.float32)
    gpunn.manual_seed(0)
    model = SMALL[name]()
    loader = data.DataLoader(data.ArrayDataset(images, images), 50, shuffle=True)
    metrics = {"mse": train.mean_squared_error}
    trainer = train.Trainer(model, optim.Adam(model.parameters(), 0.01), model.loss, metrics=metrics, seed=0)
    history = trainer.fit(loader, data.DataLoader(data.ArrayDataset(images, images), 100), epochs=4)
    assert history[-1]["val_loss"] < 0.95 * history[0]["val_loss"] and history[-1]["train_mse"] < 0.15
    made = train.predict(model, images)
    assert history[-1]["val_mse"] == pytest.approx(((made - images) ** 2).mean(), rel=1e-4)


def test_reconstruction_error_is_a_mean_over_all_pixels():
    model = SMALL["autoencoder"]()
    made = model(IMAGES)
    assert model.loss(made, IMAGES).item() == pytest.approx(((made.numpy() - IMAGES) ** 2).mean(), rel=1e-5)
    assert float(train.mean_squared_error(made, IMAGES)) == model.loss(made, IMAGES).item()
    with pytest.raises(ValueError, match=r"output is \(6, 1, 8, 8\) but target is \(6, 8, 8\), expected one shape"):
        train.mean_squared_error(made, IMAGES[:, 0])


@pytest.mark.parametrize("rho", [0.05, 0.3])
def test_price_of_a_code_is_ngs_formula(rho):
    """CS294A, section 3: beta times the sum over units of KL between Bernoulli variables of means rho and rho_hat."""
    model = models.sparse_autoencoder(1, 8, 10, target=rho, weight=2.0)
    output = model(IMAGES)
    found, code = output.reconstruction.numpy().astype(float), output.code.numpy().astype(float)
    want = sum(((found[i] - IMAGES[i]) ** 2).sum() / 2 for i in range(6)) / 6
    for unit in range(10):
        mean = sum(code[i, unit] for i in range(6)) / 6
        want += 2.0 * (rho * math.log(rho / mean) + (1 - rho) * math.log((1 - rho) / (1 - mean)))
    assert model.loss(output, IMAGES).item() == pytest.approx(want, rel=1e-5)
    assert model.eval().loss(model(IMAGES), IMAGES).item() == pytest.approx(want, rel=1e-5), "the code is made anew"


def test_l1_price_and_codes_that_are_never_or_always_active():
    model = SMALL["sparse, l1"]()
    output = model(IMAGES)
    want = ((output.reconstruction.numpy() - IMAGES) ** 2).sum() / 12 + 0.1 * np.abs(output.code.numpy()).sum() / 6
    assert model.loss(output, IMAGES).item() == pytest.approx(want, rel=1e-5)
    model = SMALL["sparse_autoencoder"]()
    for silent in (0.0, 1.0):
        code = gpunn.full((4, 5), silent, requires_grad=True)
        price = model.price(code)
        price.backward()
        assert np.isfinite(price.item()) and np.isfinite(code.gradient).all()


def test_bound_and_its_gradients_beside_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = SMALL["vae"]().to(np.float64)
    images = IMAGES.astype(np.float64)
    state = random.get_state()
    loss = model.loss(model(images), images)
    loss.backward()
    random.set_state(state)
    noise = torch.from_numpy(random.normal((6, 3), dtype=np.float64))

    theirs = {name: torch.from_numpy(p.numpy()).requires_grad_() for name, p in model.named_parameters()}

    def linear(name, x):
        return torch.nn.functional.linear(x, theirs[f"{name}.weight"], theirs[f"{name}.bias"])

    h = torch.relu(linear("encoder.1", torch.from_numpy(images).flatten(1)))
    q = torch.distributions.Normal(linear("mean", h), torch.exp(0.5 * linear("log_variance", h)))
    z = q.loc + q.scale * noise
    pixels = torch.distributions.Bernoulli(
        logits=linear("decoder.2", torch.relu(linear("decoder.0", z))), validate_args=False
    )
    prior = torch.distributions.Normal(torch.zeros(3, dtype=torch.float64), 1.0)
    kl = torch.distributions.kl_divergence(q, prior).sum(1)
    want = (kl - pixels.log_prob(torch.from_numpy(images).flatten(1)).sum(1)).mean()
    want.backward()
    assert loss.item() == pytest.approx(want.item(), rel=1e-12)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), theirs[name].grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


def test_bound_without_pytorch():
    """Where the decoder ignores its code and q is the prior, the bound is the cross-entropy alone."""
    model = SMALL["vae"]()
    for part in (model.mean, model.log_variance, model.decoder[2]):
        part.weight.array[...] = part.bias.array[...] = 0
    assert model.loss(model(IMAGES), IMAGES).item() == pytest.approx(64 * math.log(2), rel=1e-6)
    model.mean.bias.array[...] = 2.0
    model.log_variance.bias.array[...] = math.log(0.25)
    each = 0.5 * (4 + 0.25 - 1 - math.log(0.25))  # KL(N(2, 1/4) || N(0, 1))
    np.testing.assert_allclose(model(IMAGES).kl.numpy(), each, rtol=1e-6)
    assert model.loss(model(IMAGES), IMAGES).item() == pytest.approx(64 * math.log(2) + 3 * each, rel=1e-6)


def test_codes_are_drawn_by_the_seed_and_samples_too():
    model = SMALL["vae"]()

    def drawn():
        gpunn.manual_seed(3)
        return [model(IMAGES).logits.numpy(), model.sample(4).numpy()]

    first, again = drawn(), drawn()
    assert all(map(np.array_equal, first, again)) and not np.array_equal(model.sample(4).numpy(), first[1])
    assert first[1].shape == (4, 1, 8, 8) and 0 <= first[1].min() <= first[1].max() <= 1
    assert not np.array_equal(model(IMAGES).logits.numpy(), first[0]), "drawn anew"


@pytest.mark.parametrize("noise", [models.Masking(0.25), models.GaussianNoise(0.5)])
def test_noise_is_of_training_alone_and_by_the_seed(noise):
    x = np.full((100, 100), 3.0, np.float32)
    gpunn.manual_seed(0)
    first, more = noise(x), noise(x)
    gpunn.manual_seed(0)
    assert np.array_equal(noise(Tensor(x)).numpy(), first) and not np.array_equal(first, more)
    assert first.dtype == np.float32 and isinstance(first, np.ndarray)
    if isinstance(noise, models.Masking):
        assert (first == 0).mean() == pytest.approx(0.25, abs=0.02)
        np.testing.assert_allclose(first[first != 0], 3, rtol=1e-6)
    else:
        assert (first - 3).std() == pytest.approx(0.5, abs=0.02) and first.mean() == pytest.approx(3, abs=0.02)
    assert noise.eval()(x) is x
    noise.train()


def test_gradients_flow_through_noise():
    gpunn.manual_seed(0)
    x = gpunn.ones(50, requires_grad=True)
    y = models.Masking(0.5)(x)
    y.sum().backward()
    assert np.array_equal(x.gradient, y.numpy())
    x = gpunn.ones(50, requires_grad=True)
    models.GaussianNoise(0.5)(x).sum().backward()
    assert (x.gradient == 1).all()


REFUSED = [
    (lambda: models.autoencoder(latent=0), ValueError, "autoencoder: latent is 0, expected at least 1"),
    (lambda: models.vae(latent=0), ValueError, "vae: latent is 0, expected at least 1: the numbers in a code, such as"),
    (lambda: models.conv_autoencoder(latent=-3), ValueError, "conv_autoencoder: latent is -3, expected at least 1"),
    (lambda: models.sparse_autoencoder(latent=0), ValueError, "sparse_autoencoder: latent is 0"),
    (lambda: models.linear_autoencoder(latent=0), ValueError, "linear_autoencoder: latent is 0"),
    (lambda: models.autoencoder(latent=2.5), TypeError, "autoencoder: latent is 2.5, expected an int"),
    (lambda: models.autoencoder(hidden=(64, 0)), ValueError, r"autoencoder: hidden is \(64, 0\), expected at least 1"),
    (lambda: models.autoencoder(hidden=64), TypeError, "autoencoder: hidden is 64, expected a list of widths"),
    (lambda: models.autoencoder(activation="swish"), ValueError, "activation is 'swish', expected one of 'relu'"),
    (lambda: models.autoencoder(output="step"), ValueError, "output is 'step', expected one of"),
    (lambda: models.vae(hidden=()), ValueError, r"vae: hidden is \(\), expected at least one width"),
    (lambda: models.vae(activation="swish"), ValueError, "vae: activation is 'swish', expected one of"),
    (lambda: models.conv_autoencoder(image_size=30), ValueError, "image_size is 30 .* a multiple of 4: each halves it"),
    (lambda: models.conv_autoencoder(channels=()), ValueError, "expected at least one convolution"),
    (lambda: models.denoising_autoencoder(level=1.5), ValueError, "Masking: p is 1.5, expected 0 to 1"),
    (
        lambda: models.denoising_autoencoder(noise="gaussian", level=-1.0),
        ValueError,
        "std is -1.0, expected .* least 0",
    ),
    (lambda: models.denoising_autoencoder(noise="gaussian", level=math.nan), ValueError, "std is nan"),
    (lambda: models.denoising_autoencoder(noise="salt"), ValueError, "noise is 'salt', expected one of 'masking'"),
    (lambda: models.sparse_autoencoder(target=0.0), ValueError, "target is 0.0, expected between 0 and 1"),
    (lambda: models.sparse_autoencoder(weight=-1.0), ValueError, "weight is -1.0, expected at least 0"),
    (lambda: models.sparse_autoencoder(penalty="l2"), ValueError, "penalty is 'l2', expected one of 'kl', 'l1'"),
    (lambda: SMALL["vae"]().sample(0), ValueError, "sample: n is 0, expected at least 1"),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refused(call, error, words):
    with nn.init.skip(), pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("wrong", [lambda x: x * 255, lambda x: x - 0.5, lambda x: x * np.nan])
def test_a_bound_of_images_outside_0_to_1_is_refused(wrong):
    model = SMALL["vae"]()
    state = random.get_state()
    with pytest.raises(ValueError, match=r"vae: images reach from .* expected 0 to 1, .* divide bytes by 255"):
        model.loss(model.eval()(IMAGES), wrong(IMAGES))
    assert random.get_state() == state


def test_the_linear_one_is_principal_component_analysis():
    """The sine of the largest angle between the decoder's space and that of the first components is below 1e-3."""
    rng = np.random.default_rng(0)
    images = (rng.normal(size=(300, 36)) * 0.8 ** np.arange(36)) @ np.linalg.qr(rng.normal(size=(36, 36)))[0]
    images = (images - images.mean(0)).reshape(300, 1, 6, 6)
    gpunn.manual_seed(0)
    model = models.linear_autoencoder(1, 6, 4).to(np.float64)
    for p in model.parameters():
        p.array[...] *= 0.1
    options = {"max_iter": 300, "line_search_fn": "strong_wolfe", "tolerance_grad": 0.0, "tolerance_change": 0.0}
    optimizer = optim.LBFGS(model.parameters(), **options)

    def closure():
        optimizer.zero_grad()
        loss = model.loss(model(images), images) * 36
        loss.backward()
        return loss

    optimizer.step(closure)
    components = np.linalg.svd(images.reshape(300, 36), full_matrices=False)[2][:4]
    ours = np.linalg.qr(model.decoder[0].weight.numpy())[0]
    cosines = np.linalg.svd(components @ ours)[1]
    assert math.sqrt(max(0, 1 - cosines.min() ** 2)) < 1e-3


def test_in_16_bits_the_loss_is_nearly_that_of_32():
    for name in ("vae", "sparse_autoencoder", "autoencoder"):
        model = SMALL[name]()
        gpunn.manual_seed(0)
        full = model.loss(model(IMAGES), IMAGES).item()
        gpunn.manual_seed(0)
        with gpunn.precision("bf16"):
            loss = model.loss(model(IMAGES), IMAGES)
            loss.backward()
        assert loss.dtype == np.float32 and loss.item() == pytest.approx(full, rel=0.02)


@pytest.mark.skipif("CI" not in os.environ, reason="builds kernels; set CI=1")
@pytest.mark.parametrize("name", SMALL)
def test_on_the_emulator_as_on_the_cpu(name):
    losses = []
    for device in ("cpu", "emulator"):
        gpunn.manual_seed(0)
        model = SMALL[name]()
        random.set_state(random.Generator(5).get_state())
        model.to(device)
        loss = model.loss(model(gpunn.to_device(IMAGES, device)), gpunn.to_device(IMAGES, device))
        loss.backward()
        losses.append([loss.item(), *[np.abs(gpunn.to_numpy(p.gradient)).sum() for p in model.parameters()]])
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.usefixtures("look_alike")
def test_random_tensors_of_a_captured_step_are_new_in_each_replay():
    from tests.train.captured_steps import same, trained

    def noisy(y):
        return y + 0.1 * gpunn.randn_like(y) + gpunn.rand(1, 5, device="cuda")

    def eager_and_captured(capture):
        return trained(8, extra=noisy, capture=capture)

    eager, captured = eager_and_captured(False), eager_and_captured(None)
    assert captured[3].captured and eager[0] == captured[0] and same(eager[1], captured[1])


@pytest.mark.skipif("CI" not in os.environ, reason="builds kernels; set CI=1")
@pytest.mark.usefixtures("look_alike")
@pytest.mark.parametrize("name", ["denoising_autoencoder", "vae"])
def test_captured_steps_are_eager_steps_bit_for_bit(name):
    """A tuple of Tensors goes from forward to loss and metric; masks and codes are drawn anew in each replay."""
    losses = {}
    for capture in (False, None):
        gpunn.manual_seed(0)
        model = SMALL[name]().to("cuda")
        optimizer, metrics = optim.Adam(model.parameters(), 0.01), {"mse": train.mean_squared_error}
        step = train.CapturedStep(model, model.loss, optimizer, metrics=metrics, capture=capture)
        x = gpunn.to_device(IMAGES, "cuda")
        taken = [step(x, x) for _ in range(6)]
        losses[capture] = [(float(one), one.metrics["mse"]) for one in taken]
        assert step.captured == (capture is None)
    assert losses[False] == losses[None] and losses[None][-1][0] < losses[None][0][0]


@pytest.mark.usefixtures("look_alike")
def test_a_captured_step_does_not_take_random_numbers_of_the_host():
    from tests.train.captured_steps import a_step, go

    _, step = a_step(lambda y: y + gpunn.randn(5, device="cpu").to("cuda"))
    with pytest.warns(RuntimeWarning, match="cannot be captured"):
        go(step)
    assert not step.captured
