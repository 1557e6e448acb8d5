"""Lowering of hand-made jaxprs with toy primitives, compiled and run."""

import numpy as np
import pytest

from ferax._src import engine
from ferax._src.engine import mlir
from ferax._src.ir.jaxpr import ClosedJaxpr, DebugInfo, Eqn, Jaxpr, Literal, Var
from ferax._src.runtime import compile as compiling, lowering
from ferax._src.runtime.lowering import lower_as, lower_jaxpr
from ferax._src.tracing.core import Primitive
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types import dtypes
from ferax._src.types.avals import ShapedArray, aval_of
from ferax._src.types.meshes import Mesh
from ferax._src.types.shardings import NamedSharding, PartitionSpec, SingleDeviceSharding
from ferax._src.util import config

F32 = ShapedArray((), np.float32)
I32 = ShapedArray((), np.int32)


class Binary(Primitive):
    def __init__(self, name, op):
        super().__init__(name)
        self.op = op

    def abstract_eval(self, x, y):
        return [x.strip_weak_type()]

    def lower(self, ctx, x, y):
        return ctx.emit(self.op, (x, y))


add = Binary("add", "stablehlo.add")
mul = Binary("mul", "stablehlo.multiply")


class ReduceSum(Primitive):
    name = "reduce_sum"

    def abstract_eval(self, x, *, axes):
        return [x.update(shape=tuple(s for i, s in enumerate(x.shape) if i not in axes))]

    def lower(self, ctx, x, *, axes):
        return ctx.reduce("stablehlo.add", [x], [0], axes)


class Dot(Primitive):
    name = "dot_general"

    def abstract_eval(self, x, y):
        return [ShapedArray((x.shape[0], y.shape[1]), x.dtype)]

    def lower(self, ctx, x, y):
        attrs = {
            "dot_dimension_numbers": ctx.dot_dimension_numbers((), (), (1,), (0,)),
            "precision_config": ctx.precision("DEFAULT", "DEFAULT"),
        }
        return ctx.emit("stablehlo.dot_general", (x, y), attrs)


class FourTimes(Primitive):
    name = "four_times"

    def abstract_eval(self, x):
        return [x]

    lower = lower_as(lambda x: add.bind(*[add.bind(x, x)[0]] * 2)[0])


class Repeat(Primitive):
    """Run ``body`` on the carry ``n`` times; ``n`` is the first operand."""

    name = "repeat"
    holds_jaxprs = True
    handles_extended_dtypes = True

    def abstract_eval(self, n, *carry, body):
        return list(carry)

    def lower(self, ctx, n, *carry, body):
        out = ctx.while_loop(
            [ctx.scalar(0, np.int32), *carry],
            lambda i, *xs: ctx.compare(i, n, "LT", (), np.int32),
            lambda i, *xs: [
                ctx.elementwise("stablehlo.add", i, ctx.scalar(1, np.int32)),
                *ctx.inline(body, *xs, scope="body"),
            ],
            effects=body.effects,
        )
        return out[1:]


class Pick(Primitive):
    name = "pick"
    holds_jaxprs = True
    handles_extended_dtypes = True

    def abstract_eval(self, which, *operands, branches):
        return branches[0].out_avals

    def lower(self, ctx, which, *operands, branches):
        runs = [lambda b=b: ctx.inline(b, *operands) for b in branches]
        return ctx.case(
            which, runs, ctx.types(ctx.avals_out), effects=frozenset().union(*(b.effects for b in branches))
        )


class CallTwice(Primitive):
    name = "call_twice"
    holds_jaxprs = True
    handles_extended_dtypes = True

    def abstract_eval(self, x, *, jaxpr):
        return [x]

    def lower(self, ctx, x, *, jaxpr):
        return ctx.call_function(jaxpr, *ctx.call_function(jaxpr, x, name="g"), name="g")


class LogEffect:
    ordered = True
    keeps_alive = True

    def __repr__(self):
        return "Log"


LOG = LogEffect()


class Log(Primitive):
    """Appends its operand to a list."""

    name = "log"
    has_effects = True

    def abstract_eval(self, x, *, fn):
        return [x]

    def effects_of(self, x, *, fn):
        return frozenset([LOG])

    def lower(self, ctx, x, *, fn):
        return ctx.host_callback(fn, [x], ctx.avals_out, effect=LOG)


reduce_sum, dot, four_times, repeat, pick, call_twice, log = (
    ReduceSum(),
    Dot(),
    FourTimes(),
    Repeat(),
    Pick(),
    CallTwice(),
    Log(),
)


def trace(fun, *avals, **debug):
    return trace_to_jaxpr(fun, avals, DebugInfo("f", **debug))


@pytest.fixture(scope="module")
def client():
    config.install_process_switches()
    return engine.make_cpu_client(4)


def run(client, closed, *args, devices=None, **settings):
    """Lowers, compiles and runs on one device; NumPy in and out."""
    device = client.devices()[0]
    where = SingleDeviceSharding(device)
    lowered = lower_jaxpr(closed, **settings)
    executable = compiling.compile_lowered(lowered, [device])
    put = lambda x: engine.put(aval_of(x), where, [np.asarray(x)], [device])
    tokens = [
        engine.put(ShapedArray((0,), np.bool_), where, [np.zeros(0, bool)], [device])
        for _ in lowered.ordered_effects
    ]
    kept = [np.asarray(a) for a, k in zip(args, lowered.kept) if k]
    handlers = [engine.result_handler(ShapedArray((0,), np.bool_), where, False) for _ in tokens]
    handlers += [engine.result_handler(a, where, False) for a in lowered.out_avals]
    out = engine.execute(
        executable,
        tokens + [put(np.asarray(c)) for c in lowered.const_args] + [put(a) for a in kept],
        handlers,
    )
    return [engine.to_numpy(b) for b in out[len(tokens) :]]


def test_elementwise_literals_and_names(client):
    closed = trace(
        lambda x, y: add.bind(mul.bind(x, np.float32(3))[0], y), F32, F32, arg_names=("speed", "mass")
    )
    assert run(client, closed, np.float32(2), np.float32(1))[0] == 7
    lowered = lower_jaxpr(closed, name="my_step")
    text = lowered.as_text(debug_info=True)
    assert "module @jit_my_step" in text and '"speed"' in text
    assert "jit(my_step)/mul" in text and "test_lowering.py" in text
    hlo = engine.compiler.hlo_text(compiling.compile_lowered(lowered, client.devices()[:1]))
    assert 'op_name="jit(my_step)/' in hlo and "HloModule jit_my_step" in hlo


def test_name_stack_reaches_op_name():
    x, y = Var(F32), Var(F32)
    closed = ClosedJaxpr(Jaxpr([], [x], [y], [Eqn(add, [x, x], [y], {}, name_stack="layer/attention")]))
    assert "jit(f)/layer/attention/add" in lower_jaxpr(closed, name="f").as_text(debug_info=True)


def test_literals_keep_sign_of_zero_and_class(client):
    v = ShapedArray((2,), np.float32)
    x = Var(v)
    outs = [Var(v) for _ in range(2)]
    values = [Literal(0.0, v), Literal(-0.0, v)]
    closed = ClosedJaxpr(Jaxpr([], [x], outs, [Eqn(mul, [x, lit], [o], {}) for lit, o in zip(values, outs)]))
    a, b = run(client, closed, np.ones(2, np.float32))
    assert not np.signbit(a).any() and np.signbit(b).all()


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint64", "float16", "bfloat16", "complex64", "int4", "float8_e4m3fn"]
)
def test_constants_of_every_kind(client, dtype):
    import ml_dtypes

    dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    value = np.array([1, 0, 1], dtype)
    const = Var(ShapedArray((3,), dtype))
    closed = ClosedJaxpr(Jaxpr([const], [], [const], []), [value])
    out = run(client, closed)[0]
    assert out.dtype == dtype and (out == value).all()


def test_big_constants_are_hidden_arguments_and_shared(client):
    big = np.arange(100, dtype=np.float32)
    small = np.float32([1, 2])
    inner = trace(lambda x: mul.bind(x, big), ShapedArray((100,), np.float32))
    closed = trace(
        lambda x: call_twice.bind(mul.bind(x, big)[0], jaxpr=inner), ShapedArray((100,), np.float32)
    )
    lowered = lower_jaxpr(closed)
    assert len(lowered.const_args) == 1 and lowered.const_args[0] is big
    assert np.allclose(run(client, closed, np.ones(100, np.float32))[0], big**3)
    closed = trace(lambda x: add.bind(x, small), ShapedArray((2,), np.float32))
    assert lower_jaxpr(closed).const_args == []
    assert (run(client, closed, small)[0] == 2 * small).all()


def test_dead_arguments_and_dead_equations(client):
    closed = trace(lambda x, y, z: (mul.bind(y, y), add.bind(x, x))[1], F32, F32, F32)
    lowered = lower_jaxpr(closed)
    assert lowered.kept == [True, False, False] and "multiply" not in lowered.as_text()
    assert lower_jaxpr(closed, keep_unused=True).kept == [True] * 3
    assert run(client, closed, np.float32(2), np.float32(3), np.float32(4))[0] == 4


def test_reduce_and_dot_options(client):
    closed = trace(lambda x: reduce_sum.bind(dot.bind(x, x)[0], axes=(0,)), ShapedArray((3, 3), np.float32))
    x = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert np.allclose(run(client, closed, x)[0], (x @ x).sum(0))
    lowered = lower_jaxpr(closed)
    assert lowered.contractions == {"dot"}
    assert compiling.default_options("cpu", lowered.contractions) == {}
    assert compiling.default_options("cpu", lowered.contractions | {"dots"}) == {
        "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    }


def test_option_policy(monkeypatch):
    name = "xla_cpu_experimental_ynn_fusion_type"
    policy = compiling.default_options
    assert policy("cpu", frozenset()) == {} and policy("gpu", frozenset(["dot"])) == {}
    assert policy("cpu", frozenset(["small_conv"])) == {}
    assert "INDIVIDUAL_DOT" in policy("cpu", frozenset(["dot", "half_dot"]))[name]
    with config.cpu_lowerings("plain"):
        assert policy("cpu", frozenset(["dot"])) == {}
    monkeypatch.setenv("XLA_FLAGS", f"--{name}=")
    assert policy("cpu", frozenset(["dot"])) == {}


def test_user_options_win_and_bad_ones_are_named(client):
    closed = trace(lambda x: dot.bind(x, x), ShapedArray((8, 8), np.float32))
    devices = client.devices()[:1]
    lowered = lower_jaxpr(closed)
    empty = compiling.compile_lowered(lowered, devices, {"xla_cpu_experimental_ynn_fusion_type": ""})
    assert "__ynn_fusion" not in engine.compiler.hlo_text(empty)
    with pytest.raises(engine.JaxRuntimeError, match="No such compile option"):
        compiling.compile_lowered(lowered, devices, {"xla_no_such_option": 1})


def test_lower_as(client):
    closed = trace(lambda x: four_times.bind(x), F32)
    assert run(client, closed, np.float32(3))[0] == 12
    assert len(four_times.rule_cache) == 1
    assert "jit(f)/four_times/add" in lower_jaxpr(closed, name="f").as_text(
        debug_info=True
    ) or "jit(f)/add" in lower_jaxpr(closed, name="f").as_text(debug_info=True)


def test_while_and_case_use_outer_values(client):
    body = trace(lambda x, w: [add.bind(x, w)[0], w], F32, F32)
    closed = trace(lambda n, x, w: repeat.bind(n, x, w, body=body)[:1], I32, F32, F32)
    assert run(client, closed, np.int32(5), np.float32(1), np.float32(2))[0] == 11
    doubled, squared = trace(lambda x: add.bind(x, x), F32), trace(lambda x: mul.bind(x, x), F32)
    closed = trace(lambda i, x: pick.bind(i, x, branches=(doubled, squared)), I32, F32)
    assert [run(client, closed, np.int32(i), np.float32(5))[0] for i in (0, 1)] == [10, 25]


def test_sub_functions_are_written_once(client):
    inner = trace(lambda x: add.bind(x, np.float32(1)), F32)
    closed = trace(lambda x: call_twice.bind(call_twice.bind(x, jaxpr=inner)[0], jaxpr=inner), F32)
    lowered = lower_jaxpr(closed)
    assert lowered.as_text().count("func.func private @g") == 1
    assert run(client, closed, np.float32(0))[0] == 4


def test_ordered_effects_thread_a_token(client):
    seen = []
    fn = lambda x: (seen.append(float(x)), x)[1:]
    body = trace(lambda x: log.bind(add.bind(x, np.float32(1))[0], fn=fn), F32)
    closed = trace(lambda n, x: repeat.bind(n, log.bind(x, fn=fn)[0], body=body), I32, F32)
    closed = ClosedJaxpr(closed.jaxpr.replace(effects=frozenset([LOG])), closed.consts)
    lowered = lower_jaxpr(closed)
    assert lowered.ordered_effects == [LOG] and len(lowered.host_callbacks) == 2
    assert run(client, closed, np.int32(3), np.float32(0))[0] == 3
    assert seen == [0, 1, 2, 3]


def test_callback_errors_and_wrong_results(client):
    def bad(x):
        raise KeyError("mine")

    closed = trace(lambda x: log.bind(x, fn=bad), F32)
    with pytest.raises(engine.JaxRuntimeError) as info:
        run(client, closed, np.float32(0))
    assert isinstance(engine.callbacks.original_error(info.value), KeyError)
    closed = trace(lambda x: log.bind(x, fn=lambda x: (np.zeros(3),)), F32)
    with pytest.raises(engine.JaxRuntimeError, match="were declared"):
        run(client, closed, np.float32(0))


def test_donation(client):
    aval = ShapedArray((1024,), np.float32)
    closed = trace(lambda x, y: add.bind(x, y), aval, aval)
    lowered = lower_jaxpr(closed, donated=[True, True])
    assert lowered.donated == [True, False] and lowered.unusable_donations == [aval]
    assert "tf.aliasing_output = 0" in lowered.as_text()
    assert "jax.buffer_donor" in lower_jaxpr(closed, donated=[True, False], alias_outputs=False).as_text()
    device = client.devices()[0]
    where = SingleDeviceSharding(device)
    x = engine.put(aval, where, [np.ones(1024, np.float32)], [device])
    y = engine.put(aval, where, [np.ones(1024, np.float32)], [device])
    at = engine.buffers.pointer(x)
    (z,) = engine.execute(
        compiling.compile_lowered(lowered, [device]), [x, y], [engine.result_handler(aval, where, False)]
    )
    assert x.is_deleted() and not y.is_deleted() and engine.buffers.pointer(z) == at
    with pytest.raises(engine.DeletedArrayError, match="donated"):
        engine.to_numpy(x)


class Key(dtypes.ExtendedDType):
    name = "key<toy>"
    element_shape = (2,)


def test_extended_dtypes_are_lowered_physically(client, monkeypatch):
    keys = ShapedArray((3,), Key())
    physical = ShapedArray((3, 2), np.uint32)
    x, y = Var(keys), Var(keys)
    closed = ClosedJaxpr(Jaxpr([], [x], [y], [Eqn(add, [x, x], [y], {})]))
    calls = []

    def rule(primitive, avals, params):
        calls.append(avals)
        return trace_to_jaxpr(lambda *args: primitive.bind(*args, **params), [physical] * 2)

    monkeypatch.setattr(lowering.slots, "physical_rule", rule)
    lowered = lower_jaxpr(closed)
    assert calls == [(keys, keys)] and "tensor<3x2xui32>" in lowered.as_text()


def test_errors_name_the_equation_and_the_place():
    class Broken(Primitive):
        name = "broken"

        def abstract_eval(self, x):
            return [x]

    closed = trace(lambda x: Broken().bind(x), F32)
    with pytest.raises(NotImplementedError, match="broken") as info:
        lower_jaxpr(closed)
    assert any("while lowering broken at test_lowering.py" in note for note in info.value.__notes__)


def test_named_shardings(client):
    devices = client.devices()
    mesh = Mesh(np.array(devices).reshape(2, 2), ("x", "y"))
    aval = ShapedArray((8, 4), np.float32)
    sharding = NamedSharding(mesh, PartitionSpec("x", "y"))
    closed = trace(lambda a, b: add.bind(a, b), aval, aval)
    lowered = lower_jaxpr(closed, in_shardings=[sharding, None], out_shardings=[sharding], devices=devices)
    assert "sdy.mesh @mesh" in lowered.as_text() and lowered.num_partitions == 4
    executable = compiling.compile_lowered(lowered, devices)
    x = np.arange(32, dtype=np.float32).reshape(8, 4)
    parts = [x[i : i + 4, j : j + 2] for i in (0, 4) for j in (0, 2)]
    a = engine.put(aval, sharding, parts, devices)
    found = engine.compiler.parameter_shardings(executable)
    assert str(found[0]) == str(sharding._to_xla_hlo_sharding(2))
    (out,) = engine.execute(executable, [a, a], [engine.result_handler(aval, sharding, True)])
    last = engine.rewrap(
        engine.shards(out)[3], ShapedArray((4, 2), np.float32), SingleDeviceSharding(devices[3])
    )
    assert (engine.to_numpy(last) == 2 * parts[3]).all()


def test_modules_survive_a_new_workbench(monkeypatch, client):
    closed = trace(lambda x: add.bind(x, x), F32)
    lowered = lower_jaxpr(closed)
    monkeypatch.setattr(mlir, "_MODULES_PER_CONTEXT", 0)
    assert mlir.workbench() is not mlir.workbench()
    assert "stablehlo.add" in lowered.as_text() and "stablehlo.add" in lower_jaxpr(closed).as_text()
    compiling.compile_lowered(lowered, client.devices()[:1])
