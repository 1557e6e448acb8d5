"""Records what JAX answers about dtypes into ``dtypes.json``, for ``test_dtypes.py``.

Run it in an environment that has JAX, never in Ferax's own: ``python tests/types/data/record_dtypes.py``.

A table of answers is a list of strings, a row for each left operand and a character for each right one. The character
says the dtype (its place in ``dtypes``, plus the number of dtypes if weak), '!' that the combination is an error, '?' that
JAX itself breaks.
"""

import json
import pathlib
import random
import string
import types

import jax
import numpy as np
from jax._src import dtypes

NAMES = [d.name for d in dtypes._jax_types]
DTYPES = [np.dtype(d) for d in dtypes._jax_types]
ALPHABET = string.ascii_letters + string.digits + "+-*/=<>()[]"
WEAK = {"weak int": int, "weak float": float, "weak complex": complex}
SCALARS = {"True": True, "1": 1, "1.0": 1.0, "1j": 1j}
ABSTRACT = [
    "generic",
    "number",
    "integer",
    "signedinteger",
    "unsignedinteger",
    "inexact",
    "floating",
    "complexfloating",
    "bool_",
]
NO_FLOAT = ["int1", "int2", "uint1", "uint2"]  # JAX raises for these
KINDS = [
    "bool",
    "signed integer",
    "unsigned integer",
    "integral",
    "real floating",
    "complex floating",
    "numeric",
]


class Value:
    def __init__(self, dtype, weak):
        self.dtype, self.aval = np.dtype(dtype), types.SimpleNamespace(weak_type=weak)


def code(answer):
    try:
        dtype, weak = answer()
    except ValueError:
        return "!"
    except KeyError:  # JAX has no answer for a weak int4 and its like
        return "?"
    return ALPHABET[DTYPES.index(dtype) + len(DTYPES) * weak]


def operands(x64):
    """Names and values: strong and weak arrays of each dtype, Python scalars."""
    out = {}
    for name in NAMES:
        if x64 or name not in ("int64", "uint64", "float64", "complex128"):
            out[name] = Value(name, False)
            out["~" + name] = Value(name, True)
    return out | SCALARS


record = {"dtypes": NAMES, "modes": {}}
for x64 in (False, True):
    for mode in ("standard", "strict"):
        with jax.enable_x64(x64), jax.numpy_dtype_promotion(mode):
            nodes = DTYPES + list(WEAK.values())
            values = operands(x64)
            rng = random.Random(0)
            triples = [[rng.choice(list(values)) for _ in range(3)] for _ in range(600)]
            record["modes"][f"{mode} {'x64' if x64 else 'x32'}"] = {
                "promote_types": [
                    "".join(code(lambda: (dtypes.promote_types(a, b), False)) for b in nodes) for a in nodes
                ],
                "operands": list(values),
                "lattice_result_type": [
                    "".join(code(lambda: dtypes.lattice_result_type(a, b)) for b in values.values())
                    for a in values.values()
                ],
                "result_type": "".join(
                    code(lambda: dtypes.result_type(a, return_weak_type_flag=True)) for a in values.values()
                ),
                "triples": "".join(
                    code(lambda: dtypes.lattice_result_type(*(values[n] for n in t))) for t in triples
                ),
            }

facts = record["facts"] = {}
for name, dtype in zip(NAMES, DTYPES):
    with jax.enable_x64(True):
        facts[name] = {
            "short": dtypes.short_dtype_name(dtype),
            "numeric": dtypes.to_numeric_dtype(dtype).name,
            "inexact": dtypes.to_inexact_dtype(dtype).name,
            "complex": dtypes.to_complex_dtype(dtype).name,
            "floating": dtypes.to_floating_dtype(dtype).name if name not in NO_FLOAT else None,
            "scalar": dtypes.scalar_type_of(dtype).__name__,
            "bits": dtypes.itemsize_bits(dtype),
            "inf": bool(dtypes.supports_inf(dtype)),
            "below": [a for a in ABSTRACT if dtypes.issubdtype(dtype, getattr(np, a))],
            "kinds": [k for k in KINDS if dtypes.isdtype(dtype, k)],
        }
    with jax.enable_x64(False):
        facts[name]["x32"] = dtypes.canonicalize_dtype(dtype).name

path = pathlib.Path(__file__).with_name("dtypes.json")
path.write_text(
    json.dumps(record, indent=0).replace('\n"', ' "').replace("[ ", "[").replace("\n]", "]") + "\n"
)
