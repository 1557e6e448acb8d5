"""Members of arrays beside operators: signatures of methods, protocols of other libraries, the format in memory."""

import inspect
import pickle

import numpy as np
import pytest

import ferax
import ferax.numpy as jnp
from ferax.experimental.layout import Format, Layout


@pytest.mark.parametrize("name, signature", [
    ("sum", "(self, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, promote_integers=True)"),
    ("std", "(self, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, correction=None)"),
    ("argsort", "(self, axis=-1, *, kind=None, order=None, stable=True, descending=False)"),
    ("take", "(self, indices, axis=None, out=None, mode=None, unique_indices=False, indices_are_sorted=False, fill_value=None)"),
    ("reshape", "(self, *args, order='C', out_sharding=None)"),
])
def test_signatures_of_methods(name, signature):
    method = getattr(ferax.Array, name)
    assert str(inspect.signature(method)) == signature
    assert str(inspect.signature(getattr(jnp.ones(3), name))) == signature.replace("self, ", "")
    assert next(iter(inspect.signature(jnp.sum).parameters)) == "a"         # the function has kept its own


def test_methods_are_pickled_and_filter_tracebacks():
    assert pickle.loads(pickle.dumps(ferax.Array.sum)) is ferax.Array.sum
    with pytest.raises(ValueError) as caught:
        jnp.ones(3).argsort(axis=2)
    assert not any("_src" in str(entry.path) for entry in caught.traceback)


def test_array_module():
    x = jnp.ones(2)
    assert x.__array_module__((type(x), np.ndarray)) is jnp
    assert x.__array_module__((type(x), int)) is NotImplemented


def test_an_array_is_no_dtype():
    with pytest.warns(DeprecationWarning, match=r"dtype=x\.dtype"):
        assert jnp.ones(2, np.int16).__numpy_dtype__ == np.int16


def test_format():
    x = jnp.ones((2, 3))
    assert x.format == Format(Layout((0, 1), ()), x.sharding)
    assert x.format.layout.update(tiling=((2, 2),)) == Layout((0, 1), [[2, 2]])
    assert len({x.format, (x + 1).format, jnp.ones(2).format}) == 2
    assert "Layout(major_to_minor=(0, 1), tiling=(), sub_byte_element_size_in_bits=0)" in repr(x.format)
    x.delete()
    assert x.format == Format(None, x.sharding)


def test_formats_are_checked():
    with pytest.raises(TypeError, match="layout"):
        Format("row major")
    with pytest.raises(TypeError, match="sharding"):
        Format(None, "cpu")
    with pytest.raises(ValueError, match="sharding"):
        Format(Layout((0,)))
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        Layout((0, 1)).check_compatible_aval((3,))
    assert repr(Format(Layout.AUTO)) == "Format(layout=AUTO, sharding=None)"
    assert pickle.loads(pickle.dumps(Layout.AUTO)) is Layout.AUTO
