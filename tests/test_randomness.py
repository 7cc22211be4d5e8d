from __future__ import annotations

import array_api_strict
import numpy as np
import pytest

from nettrain import randomness

# Published with Random123 1.14, kat_vectors: threefry2x32, 20 rounds.
VECTORS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    (
        (0x13198A2E, 0x03707344),
        (0x243F6A88, 0x85A308D3),
        (0xC4923A9C, 0x483DF7A0),
    ),
]


def _words(values):
    return np.array(values, np.uint32)


@pytest.mark.parametrize(("key", "counter", "expected"), VECTORS)
def test_published_vectors(key, counter, expected):
    first, second = _words([[counter[0]], [counter[1]]])
    made = randomness.threefry2x32(np, _words(key), first, second)
    assert [int(word[0]) for word in made] == list(expected)


@pytest.mark.parametrize(("key", "counter", "expected"), VECTORS)
def test_published_vectors_under_the_array_api_standard(key, counter, expected):
    xp = array_api_strict
    strict = [xp.asarray([word], dtype=xp.uint32) for word in (*key, *counter)]
    made = randomness.threefry2x32(xp, strict[:2], *strict[2:])
    assert all(word.dtype == xp.uint32 for word in made)
    assert [int(word[0]) for word in made] == list(expected)


def test_both_namespaces_agree_on_many_counters():
    xp = array_api_strict
    key = randomness.key(3, "init/model/dense1/weight")
    counters = np.arange(1000, dtype=np.uint32)
    plain = randomness.threefry2x32(np, _words(key), counters, counters[::-1])
    strict = randomness.threefry2x32(
        xp,
        [xp.asarray(word, dtype=xp.uint32) for word in key],
        xp.asarray(counters),
        xp.asarray(counters[::-1].copy()),
    )
    for left, right in zip(plain, strict, strict=True):
        np.testing.assert_array_equal(left, np.asarray(right))


def test_key_comes_from_seed_and_path_alone():
    # The SHA-256 of "0/shuffle/train" begins 9f090875 f8a869fd, little-endian words.
    assert randomness.key(0, "shuffle/train") == (0x7508099F, 0xFD69A8F8)
    keys = {
        randomness.key(seed, path)
        for seed in (-1, 0, 1, 11)
        for path in ("a", "b", "a/b", "1/a")
    }
    assert len(keys) == 16


def test_first_words_of_a_stream_are_those_of_its_blocks():
    key = randomness.key(0, "dropout")
    many = randomness.bits(key, 5, 10)
    blocks = np.arange(5, dtype=np.uint32)
    first, second = randomness.threefry2x32(
        np, _words(key), blocks, np.full(5, 5, np.uint32)
    )
    np.testing.assert_array_equal(many, np.concatenate([first, second]))
    assert many.dtype == np.uint32
    assert randomness.bits(key, 5, 7).shape == (7,)
    assert randomness.bits(key, 5, 0).shape == (0,)


DRAWS = {
    "uniform": lambda key, counter: randomness.uniform(key, (3, 5), counter),
    "normal": lambda key, counter: randomness.normal(key, (3, 5), counter),
    "permutation": lambda key, counter: randomness.permutation(key, 15, counter),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_numbers_do_not_depend_on_what_was_drawn_before(draw):
    key, other = randomness.key(0, "a"), randomness.key(0, "b")
    asked = [(k, counter) for k in (key, other) for counter in range(4)]
    forward = {one: draw(*one) for one in asked}
    backward = {one: draw(*one) for one in reversed(asked)}
    for one in asked:
        np.testing.assert_array_equal(forward[one], backward[one])
    assert len({made.tobytes() for made in forward.values()}) == len(asked)


def test_moments_of_uniform():
    made = randomness.uniform(randomness.key(1, "u"), (100_000,))
    assert made.dtype == np.float64
    assert made.min() >= 0
    assert made.max() < 1
    # Five standard errors: 5 / sqrt(12 n) of the mean, and of the variance alike.
    assert abs(made.mean() - 1 / 2) < 0.0046
    assert abs(made.var() - 1 / 12) < 0.0012
    assert abs(np.corrcoef(made[:-1], made[1:])[0, 1]) < 0.016
    counts, _ = np.histogram(made, bins=100, range=(0, 1))
    chi_square = ((counts - 1000) ** 2 / 1000).sum()
    assert 40 < chi_square < 180  # 99 degrees of freedom: five deviations of 14


def test_uniform_has_53_random_bits():
    made = randomness.uniform(randomness.key(1, "u"), (10_000,))
    integers = (made * 2.0**53).astype(np.uint64)
    np.testing.assert_array_equal(integers * 2.0**-53, made)
    for bit in range(53):
        share = ((integers >> np.uint64(bit)) & np.uint64(1)).mean()
        assert abs(share - 0.5) < 0.025, bit


def test_moments_of_normal():
    made = randomness.normal(randomness.key(2, "n"), (50_000, 2))
    assert np.isfinite(made).all()
    assert abs(made.mean()) < 0.016
    assert abs(made.var() - 1) < 0.023
    assert abs((made**3).mean()) < 0.062
    assert abs((made**4).mean() - 3) < 0.16
    assert abs(np.corrcoef(made.T)[0, 1]) < 0.023
    assert abs((np.abs(made) < 1).mean() - 0.6827) < 0.0075


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_permutation_is_one(count):
    made = randomness.permutation(randomness.key(0, "shuffle"), count)
    assert made.dtype == np.int64
    np.testing.assert_array_equal(np.sort(made), np.arange(count))


def test_permutations_are_even():
    key = randomness.key(0, "shuffle")
    seen: dict[tuple[int, ...], int] = {}
    for counter in range(2400):
        order = tuple(randomness.permutation(key, 4, counter).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 24
    chi_square = sum((n - 100) ** 2 / 100 for n in seen.values())
    assert chi_square < 57  # 23 degrees of freedom: five deviations of 6.8


def test_what_is_made_in_pieces_is_what_is_made_at_once():
    key, count = randomness.key(4, "pieces"), randomness._CHUNK + 77
    blocks = np.arange(2 * count, dtype=np.uint32)
    made = randomness.threefry2x32(np, _words(key), blocks, np.full_like(blocks, 3))
    high, low = (words.astype(np.uint64) for words in made)
    numbers = (high << 21 | low >> 11) * 2.0**-53
    np.testing.assert_array_equal(randomness.uniform(key, (2 * count,), 3), numbers)
    radius, angle = numbers[:count], numbers[count:]
    expected = np.sqrt(-2.0 * np.log1p(-radius)) * np.cos(2.0 * np.pi * angle)
    np.testing.assert_array_equal(randomness.normal(key, (count,), 3), expected)
    whole = np.concatenate(made)
    np.testing.assert_array_equal(randomness.bits(key, 3, 4 * count), whole)
    np.testing.assert_array_equal(
        randomness.bits(key, 3, 4 * count - 1), np.append(whole[:-1], [])
    )
