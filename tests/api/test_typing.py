"""The names for annotations."""

import typing
from typing import Any

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax.typing import ArrayLike, DTypeLike


@pytest.mark.parametrize("x", [jnp.zeros(2), np.zeros(2), np.float32(1), np.bool_(True), True, 1, 1.0, 1j])
def test_array_like(x):
    assert isinstance(x, ArrayLike)


@pytest.mark.parametrize("x", [[1.0], (1,), "1", None, np.dtype("float32")])
def test_not_array_like(x):
    assert not isinstance(x, ArrayLike)


def test_tracers_are_array_like():
    seen = []
    ferax.jit(lambda x: seen.append(isinstance(x, ArrayLike)))(1.0)
    assert seen == [True]


def test_dtype_like():
    assert {str, type[Any], np.dtype} < set(typing.get_args(DTypeLike))


def test_they_annotate():
    def f(x: ArrayLike, dtype: DTypeLike | None = None) -> ferax.Array: ...
    assert typing.get_type_hints(f) == {"x": ArrayLike, "dtype": DTypeLike | None, "return": ferax.Array}
