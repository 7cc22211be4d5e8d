"""The numerics fingerprint: whether this machine computes the same last bits.

Training repeats bit for bit where NumPy, its BLAS, the processor's kernels and the
number of threads are the same; another version of any of them may round otherwise. So
some forty tiny computations of the kinds that training is made of are run on fixed
inputs, and the bits of their results are hashed. Equal fingerprints: a resumed run is
byte-identical to an uninterrupted one. Others: it is correct, but not bit-identical.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator

import numpy as np

from nettrain.randomness import key, uniform

_PRODUCTS = ((1, 64, 10), (3, 5, 2), (32, 64, 32), (33, 47, 17), (64, 300, 96))
"""M, K, N of A (M, K) B (K, N); the last is large enough for a BLAS to use threads."""

_FUNCTIONS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    *(np.exp, np.expm1, np.log, np.log1p, np.sqrt, np.square),
    *(np.tanh, np.sin, np.cos, np.reciprocal, lambda x: np.power(x, 1.7)),
)


def fingerprint() -> str:
    """SHA-256, as hexadecimal digits, of the bits of fixed small computations."""
    digest = hashlib.sha256()
    with np.errstate(all="ignore"):
        for dtype in ("float32", "float64"):
            for result in _results(dtype):
                digest.update(f"{result.dtype.str} {result.shape}\n".encode())
                digest.update(np.ascontiguousarray(result).tobytes())
    return digest.hexdigest()


def _results(dtype: str) -> Iterator[np.ndarray]:
    x = _fixed("elements", (24, 43), dtype)
    for function in _FUNCTIONS:
        yield np.asarray(function(x))
    for axis in (0, 1, (0, 1)):
        yield np.asarray(np.add.reduce(x, axis=axis))
    top = np.max(x, axis=-1, keepdims=True)
    yield np.log(np.add.reduce(np.exp(x - top), axis=-1, keepdims=True)) + top
    flat = x.reshape(-1)
    yield np.asarray(np.dot(flat, flat))
    for m, k, n in _PRODUCTS:
        a, b = _fixed("left", (m, k), dtype), _fixed("right", (k, n), dtype)
        y = a @ b
        yield y
        yield a.T @ y  # the gradient of the weights
        yield y @ b.T  # the gradient of the inputs


def _fixed(name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers of U(0.1, 2.1), the same ones for a name and shape wherever this runs."""
    numbers = uniform(key(0, f"fingerprint/{name}"), shape)
    return (0.1 + 2.0 * numbers).astype(dtype)


def environment() -> dict[str, str | int]:
    """What the last bits may depend on: versions, kernels, threads, machine."""
    from threadpoolctl import threadpool_info

    libraries = [i for i in threadpool_info() if i["user_api"] == "blas"]
    # SciPy may have brought a second library; NumPy's own comes first.
    libraries.sort(key=lambda i: "numpy" not in i["filepath"])
    blas = libraries[0] if libraries else {}
    return {
        "numpy": np.__version__,
        "scipy": importlib.metadata.version("scipy"),
        "blas": f"{blas.get('internal_api', 'none')} {blas.get('version', '')}".strip(),
        "blas_kernel": str(blas.get("architecture", "none")),
        "blas_threads": int(blas.get("num_threads", 1)),
        "simd": ", ".join(_simd()),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
    }


def _simd() -> list[str]:
    """The processor's extensions that NumPy found and has kernels for."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return list(extensions.get("found", []))
