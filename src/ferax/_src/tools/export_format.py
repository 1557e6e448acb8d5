"""Exported functions as bytes, and back.

A blob is a line that names the format and its version, the length of a JSON text, that text, and the binary parts that the text
refers to by place and length.  The text has what is not the program: the structures of arguments and results, their types,
shardings, effects.  The program is a portable StableHLO artifact, which releases of jaxlib read for years.

Blobs of JAX are FlatBuffers of another make; neither reads the other's.
"""

from __future__ import annotations

import collections
import importlib
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ferax._src.random.prng import KeyDType, key_dtype_named
from ferax._src.tools.export_checks import DisabledSafetyCheck
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray
from ferax._src.types.meshes import AbstractMesh, AxisType
from ferax._src.types.pytree_registry import node_types
from ferax._src.types.pytrees import PyTreeDef, tree_structure
from ferax._src.types.shardings import UNCONSTRAINED, NamedSharding, PartitionSpec
from ferax._src.types.symbolic_dims import is_symbolic_dim, scope_of
from ferax._src.types.symbolic_parser import SymbolicScope, symbolic_shape

_MAGIC = b"ferax-exported-"
_VERSION = 1
_LENGTH = struct.Struct("<Q")


# Node classes ---------------------------------------------------------------------------------------------------------


class Registration(NamedTuple):
    nodetype: type
    name: str
    serialize_auxdata: Callable[[Any], bytes]
    deserialize_auxdata: Callable[[bytes], Any]
    from_children: Callable[[Any, Sequence[Any]], Any]


_by_type: dict[type, Registration] = {}
_by_name: dict[str, Registration] = {}


def register_pytree_node_serialization(nodetype: type, *, serialized_name: str, serialize_auxdata: Callable[[Any], bytes],
                                       deserialize_auxdata: Callable[[bytes], Any],
                                       from_children: Callable[[Any, Sequence[Any]], Any] | None = None) -> type:
    """Let exported functions take and answer nodes of a class that is registered as a pytree node.

    Parameters
    ----------
    nodetype : the class
    serialized_name : str; by what blobs call it. Who reads them must have registered a class under that name.
    serialize_auxdata : the node's static data -> bytes
    deserialize_auxdata : the bytes -> static data
    from_children : ``(static data, children) -> node``, by default the function that the class is unflattened by. It is only
        used for the structure: the children are placeholders.

    Returns
    -------
    nodetype

    Raises
    ------
    ValueError : if the class or the name is registered already, or the class is no pytree node
    """
    if nodetype in _by_type:
        raise ValueError(f"Duplicate serialization registration for type `{nodetype}`. Previous registration was with "
                         f"serialized_name `{_by_type[nodetype].name}`.")
    if serialized_name in _by_name:
        raise ValueError(f"Duplicate serialization registration for serialized_name `{serialized_name}`. Previous registration "
                         f"was for type `{_by_name[serialized_name].nodetype}`.")
    if from_children is None:
        if nodetype not in node_types:
            raise ValueError(f"If `from_children` is not present, you must call first `register_pytree_node` for `{nodetype}`")
        from_children = node_types[nodetype].from_iter
    entry = Registration(nodetype, serialized_name, serialize_auxdata, deserialize_auxdata, from_children)
    _by_type[nodetype] = _by_name[serialized_name] = entry
    return nodetype


def register_namedtuple_serialization(nodetype: type, *, serialized_name: str) -> type:
    """Let exported functions take and answer namedtuples of a class.

    Parameters
    ----------
    nodetype : the class; who reads the blob must have one with the same fields
    serialized_name : str; by what blobs call it

    Returns
    -------
    nodetype

    Raises
    ------
    ValueError : if it is no namedtuple, or the class or the name is registered already
    """
    if not (isinstance(nodetype, type) and issubclass(nodetype, tuple) and hasattr(nodetype, "_fields")):
        raise ValueError(f"Use `export.register_pytree_node_serialization` for types other than `collections.namedtuple`; got "
                         f"{nodetype!r}")
    fields = tuple(nodetype._fields)
    return register_pytree_node_serialization(
        nodetype, serialized_name=serialized_name,
        serialize_auxdata=lambda _: json.dumps(fields).encode(),
        deserialize_auxdata=json.loads,
        from_children=lambda names, children: nodetype(**dict(zip(names, children, strict=True))))


def _keys_to_bytes(keys: Any) -> bytes:
    if not all(isinstance(key, str) for key in keys):
        raise NotImplementedError("Serialization of collections.OrderedDict is supported only when the keys are strings. Found "
                                  f"keys: {keys}.")
    return json.dumps(list(keys)).encode()


register_pytree_node_serialization(
    collections.OrderedDict, serialized_name="collections.OrderedDict", serialize_auxdata=_keys_to_bytes,
    deserialize_auxdata=lambda data: tuple(json.loads(data)))


# The two directions ---------------------------------------------------------------------------------------------------


class _Writer:
    """Collects the binary parts while the text is made."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.length = 0

    def binary(self, data: bytes | bytearray) -> list[int]:
        place = [self.length, len(data)]
        self.parts.append(bytes(data))
        self.length += len(data)
        return place

    # -- structures --

    def tree(self, treedef: PyTreeDef) -> Any:
        node = treedef.node_data()
        if node is None:
            return "none" if treedef.num_nodes == 1 and not treedef.num_leaves else "leaf"
        nodetype, aux = node
        children = [self.tree(child) for child in treedef.children()]
        if nodetype is type(None):
            return "none"
        if nodetype is tuple or nodetype is list:
            return [nodetype.__name__, children]
        if nodetype is dict:
            for key in aux:
                if not isinstance(key, str):
                    raise TypeError("Serialization is supported only for dictionaries with string keys. Found key "
                                    f"{key} of type {type(key)}.")
            return ["dict", children, list(aux)]
        entry = _by_type.get(nodetype)
        if entry is None:
            kind = "register_namedtuple_serialization" if issubclass(nodetype, tuple) else "register_pytree_node_serialization"
            raise ValueError(f"Cannot serialize PyTreeDef containing an unregistered type `{nodetype}`. Use `export.{kind}`.")
        data = entry.serialize_auxdata(aux)
        if not isinstance(data, bytes | bytearray):
            raise ValueError(f"The custom serialization function for `{nodetype}` must return a `bytes` object. It returned a "
                             f"{type(data)}.")
        return ["custom", children, entry.name, self.binary(data)]

    # -- types, places, effects --

    def aval(self, aval: ShapedArray) -> Any:
        return {"shape": [str(d) if is_symbolic_dim(d) else int(d) for d in aval.shape], "dtype": _dtype_text(aval.dtype),
                "weak": aval.weak_type}

    def sharding(self, sharding: NamedSharding | None) -> Any:
        if sharding is None:
            return None
        mesh = sharding.mesh
        spec = ["*" if part is UNCONSTRAINED else part if part is None or isinstance(part, str) else list(part)
                for part in sharding.spec]
        for name in mesh.axis_names:
            if not isinstance(name, str):
                raise ValueError(f"Cannot serialize a mesh with the axis name {name!r}: names must be strings")
        return {"sizes": list(mesh.axis_sizes), "names": list(mesh.axis_names), "types": [t.name for t in mesh.axis_types],
                "spec": spec, "unreduced": sorted(sharding.spec.unreduced), "reduced": sorted(sharding.spec.reduced),
                "memory": sharding._kind}

    def effect(self, effect: Any) -> str:
        kind = type(effect)
        try:
            same = kind() == effect and hash(kind()) == hash(effect)
        except Exception as error:
            raise NotImplementedError(f"Effect {effect} must have a nullary constructor to be serializable, and be hashable: "
                                      f"{error}") from error
        if not same:
            raise NotImplementedError(f"Effect {effect} must have a nullary class constructor that produces an equal effect object.")
        return f"{kind.__module__}:{kind.__qualname__}"


def _dtype_text(dtype: Any) -> str:
    if isinstance(dtype, KeyDType):
        return f"key:{dtype._impl.name}"
    return "float0" if dtype == dtypes.float0 else dtypes.dtype_name(dtype)


def to_bytes(exported: Any, vjp_order: int) -> bytearray:
    """The blob of an exported function, with those of its derivatives up to an order."""
    writer = _Writer()
    scope = scope_of([d for a in exported.in_avals for d in a.shape])
    text = {
        "fun_name": exported.fun_name,
        "in_tree": writer.tree(exported.in_tree), "out_tree": writer.tree(exported.out_tree),
        "in_avals": [writer.aval(a) for a in exported.in_avals], "out_avals": [writer.aval(a) for a in exported.out_avals],
        "constraints": [] if scope is None else list(scope.explicit_constraints),
        "in_shardings": [writer.sharding(s) for s in exported._in_named_shardings],
        "out_shardings": [writer.sharding(s) for s in exported._out_named_shardings],
        "nr_devices": exported.nr_devices, "platforms": list(exported.platforms),
        "ordered_effects": [writer.effect(e) for e in exported.ordered_effects],
        "unordered_effects": [writer.effect(e) for e in exported.unordered_effects],
        "disabled_safety_checks": [str(c) for c in exported.disabled_safety_checks],
        "calling_convention_version": exported.calling_convention_version,
        "module_kept_var_idx": list(exported.module_kept_var_idx),
        "uses_global_constants": exported.uses_global_constants,
        "module": writer.binary(exported.mlir_module_serialized),
    }
    if vjp_order > 0:
        if not exported.has_vjp():
            raise ValueError("serialization of an Exported that does not have vjps of high-enough order: it was read from a blob "
                             "without them")
        text["vjp"] = writer.binary(to_bytes(exported.vjp(), vjp_order - 1))
    head = json.dumps(text, separators=(",", ":")).encode()
    return bytearray(b"".join([_MAGIC, b"%d\n" % _VERSION, _LENGTH.pack(len(head)), head, *writer.parts]))


class _Reader:
    """Reads the values of one text, with its symbolic dimensions in one scope."""

    def __init__(self, data: bytes, constraints: Sequence[str]):
        self.data = data
        self.scope = SymbolicScope(constraints)

    def binary(self, place: Sequence[int]) -> bytes:
        start, length = place
        found = self.data[start:start + length]
        if len(found) != length:
            raise ValueError("deserialize: the blob is cut short")
        return found

    def tree(self, text: Any) -> PyTreeDef:
        return tree_structure(self._value(text))

    def _value(self, text: Any) -> Any:
        """A tree of that structure."""
        if text == "leaf":
            return 0
        if text == "none":
            return None
        kind, children = text[0], [self._value(child) for child in text[1]]
        if kind == "tuple":
            return tuple(children)
        if kind == "list":
            return children
        if kind == "dict":
            return dict(zip(text[2], children, strict=True))
        entry = _by_name.get(text[2])
        if entry is None:
            raise ValueError(f"Cannot deserialize a PyTreeDef with a type that was serialized as `{text[2]}`: no class is registered "
                             "under that name. Use `export.register_pytree_node_serialization` or "
                             "`export.register_namedtuple_serialization`.")
        return entry.from_children(entry.deserialize_auxdata(self.binary(text[3])), children)

    def aval(self, text: Any) -> ShapedArray:
        shape = [symbolic_shape(d, scope=self.scope)[0] if isinstance(d, str) else d for d in text["shape"]]
        name = text["dtype"]
        if name.startswith("key:"):
            dtype = key_dtype_named(name.removeprefix("key:"))
        else:
            dtype = dtypes.float0 if name == "float0" else dtypes.as_dtype(name)
        return ShapedArray(tuple(shape), dtype, text["weak"])

    def sharding(self, text: Any) -> NamedSharding | None:
        if text is None:
            return None
        mesh = AbstractMesh(tuple(text["sizes"]), tuple(text["names"]), tuple(AxisType[t] for t in text["types"]))
        parts = [UNCONSTRAINED if part == "*" else tuple(part) if isinstance(part, list) else part for part in text["spec"]]
        spec = PartitionSpec(*parts, unreduced=frozenset(text["unreduced"]), reduced=frozenset(text["reduced"]))
        return NamedSharding(mesh, spec, memory_kind=text["memory"])

    def effect(self, text: str) -> Any:
        module, _, name = text.partition(":")
        found: Any = importlib.import_module(module)  # lazy: where the effect's class is
        for part in name.split("."):
            found = getattr(found, part)
        return found()


def from_bytes(blob: bytes | bytearray | memoryview) -> dict[str, Any]:
    """What is in a blob, by the names of `Exported`'s fields; under ``"vjp"`` the same of its derivative, or None.

    Raises
    ------
    ValueError : for bytes that are no blob, or one of a later version
    """
    data = bytes(blob)
    end = data.find(b"\n", 0, 40)
    if not data.startswith(_MAGIC) or end < 0:
        raise ValueError("deserialize: these bytes were not made by Ferax's Exported.serialize(). (Blobs of JAX have another format.)")
    version = int(data[len(_MAGIC):end])
    if version > _VERSION:
        raise ValueError(f"deserialize: the blob has the format version {version}, this Ferax reads versions up to {_VERSION}")
    start = end + 1 + _LENGTH.size
    if len(data) < start:
        raise ValueError("deserialize: the blob is cut short")
    (length,) = _LENGTH.unpack_from(data, end + 1)
    try:
        text = json.loads(data[start:start + length])
    except ValueError as error:
        raise ValueError("deserialize: the blob is cut short or damaged") from error
    reader = _Reader(data[start + length:], text["constraints"])
    return {
        "fun_name": text["fun_name"],
        "in_tree": reader.tree(text["in_tree"]), "out_tree": reader.tree(text["out_tree"]),
        "in_avals": tuple(map(reader.aval, text["in_avals"])), "out_avals": tuple(map(reader.aval, text["out_avals"])),
        "_in_named_shardings": tuple(map(reader.sharding, text["in_shardings"])),
        "_out_named_shardings": tuple(map(reader.sharding, text["out_shardings"])),
        "nr_devices": text["nr_devices"], "platforms": tuple(text["platforms"]),
        "ordered_effects": tuple(map(reader.effect, text["ordered_effects"])),
        "unordered_effects": tuple(map(reader.effect, text["unordered_effects"])),
        "disabled_safety_checks": tuple(map(DisabledSafetyCheck, text["disabled_safety_checks"])),
        "calling_convention_version": text["calling_convention_version"],
        "module_kept_var_idx": tuple(text["module_kept_var_idx"]),
        "uses_global_constants": text["uses_global_constants"],
        "mlir_module_serialized": reader.binary(text["module"]),
        "vjp": from_bytes(reader.binary(text["vjp"])) if "vjp" in text else None,
    }
