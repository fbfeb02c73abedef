"""Chance without state: a draw is a function of a seed and of whole numbers, never of what was drawn before.

Integers are mixed with the finaliser of splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195). All
that follows from a draw uses ``+ - * /`` and square roots, which IEEE 754 defines to the last bit: two machines
agree on every voxel.
"""

from __future__ import annotations

import math

import numpy as np

from siltomo.twin._jit import inlined, kernel


@inlined
def mix(x: np.uint64) -> np.uint64:
    """Mix the bits of a number."""
    x = np.uint64(x)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


@inlined
def draw(seed: int, channel: int, a: int, b: int, c: int) -> np.uint64:
    """Return 64 bits for a place on a lattice, different for each channel."""
    x = mix(np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(channel + 1))
    x = mix(x ^ (np.uint64(np.int64(a)) * np.uint64(0xD6E8FEB86659FD93)))
    x = mix(x ^ (np.uint64(np.int64(b)) * np.uint64(0xA0761D6478BD642F)))
    return mix(x ^ (np.uint64(np.int64(c)) * np.uint64(0xE7037ED1A0B428DB)))


@inlined
def again(x: np.uint64) -> np.uint64:
    """Return the next draw of a chain that starts at a place."""
    return mix(x + np.uint64(0x9E3779B97F4A7C15))


@inlined
def unit(x: np.uint64) -> float:
    """Return a draw as a number in [0, 1)."""
    return float(x >> np.uint64(11)) * 1.1102230246251565e-16


@inlined
def _fade(t: float) -> float:
    return t * t * (3.0 - 2.0 * t)


@kernel
def noise2(seed: int, channel: int, x: float, y: float) -> float:
    """Return smooth noise in [-1, 1] whose unit of length is 1."""
    fx, fy = math.floor(x), math.floor(y)
    i, j = int(fx), int(fy)
    u, v = _fade(x - fx), _fade(y - fy)
    low = unit(draw(seed, channel, i, j, 0)) * (1.0 - u) + unit(draw(seed, channel, i + 1, j, 0)) * u
    high = unit(draw(seed, channel, i, j + 1, 0)) * (1.0 - u) + unit(draw(seed, channel, i + 1, j + 1, 0)) * u
    return 2.0 * (low * (1.0 - v) + high * v) - 1.0


@kernel
def seed_of(parent: int, word: int) -> int:
    """Return the seed of a part of the twin, as a whole number below 2**62."""
    return int(draw(parent, 99, word, word >> 20, 7) >> np.uint64(2))
