"""Lowering for several devices: sharding constraints, manual regions, callbacks; compiled and run on four."""

import numpy as np
import pytest

from ferax._src import engine
from ferax._src.runtime import compile as compiling, lowering_shardings
from ferax._src.runtime.lowering import lower_jaxpr
from ferax._src.runtime.lowering_module import hidden_constants
from ferax._src.tracing.core import Primitive
from ferax._src.tracing.staging import trace_to_jaxpr
from ferax._src.types.avals import ShapedArray
from ferax._src.types.meshes import Mesh
from ferax._src.types.shardings import GSPMDSharding, NamedSharding, PartitionSpec as P
from ferax._src.util import config

WHOLE = ShapedArray((8, 4), np.float32)
LOCAL = ShapedArray((4, 4), np.float32)
VALUE = np.arange(32, dtype=np.float32).reshape(8, 4)


class Add(Primitive):
    name = "add"

    def abstract_eval(self, x, y):
        return [x]

    def lower(self, ctx, x, y):
        return ctx.emit("stablehlo.add", (x, y))


class Constrain(Primitive):
    name = "constrain"

    def abstract_eval(self, x, *, sharding):
        return [x]

    def lower(self, ctx, x, *, sharding):
        return [lowering_shardings.constrain(ctx, x, ctx.avals_in[0], sharding)]


class SumOverX(Primitive):
    """The sum over the first axis of a 2 x 2 mesh."""

    name = "sum_over_x"

    def abstract_eval(self, x):
        return [x]

    def lower(self, ctx, x):
        attrs = {
            "replica_groups": ctx.i64_tensor([[0, 2], [1, 3]]),
            "channel_handle": ctx.channel_handle(),
            "use_global_device_ids": ctx.unit,
        }
        op = ctx.op("stablehlo.all_reduce", (x,), None, attrs, regions=1)
        ctx.reducer_region(op.regions[0], [np.float32], "stablehlo.add")
        return list(op.results)


class Manual(Primitive):
    """Runs ``body`` on the halves that the devices hold."""

    name = "manual"
    holds_jaxprs = True

    def abstract_eval(self, x, *, body, mesh):
        return [x]

    def lower(self, ctx, x, *, body, mesh):
        cut = lowering_shardings.named_sharding_attribute(ctx.state, NamedSharding(mesh, P("x")), 2)
        return lowering_shardings.manual_computation(
            ctx, mesh, mesh.axis_names, [x], [cut], [cut], [ctx.type(LOCAL)], ctx.types(ctx.avals_out),
            lambda v: ctx.inline(body, v), hidden=hidden_constants(body), axis_context="inside",
        )  # fmt: skip


class Callback(Primitive):
    name = "callback"
    has_effects = True

    def abstract_eval(self, x, *, fn):
        return [x]

    def effects_of(self, x, *, fn):
        return frozenset(["io"])

    def lower(self, ctx, x, *, fn):
        return ctx.host_callback(fn, [x], ctx.avals_out)


add, constrain, sum_over_x, manual, callback = Add(), Constrain(), SumOverX(), Manual(), Callback()


@pytest.fixture(scope="module")
def mesh():
    config.install_process_switches()
    return Mesh(np.array(engine.make_cpu_client(4).devices()).reshape(2, 2), ("x", "y"))


def run(closed, mesh, in_sharding, out_sharding=None):
    """The result on all devices, as one array, and the program's output sharding."""
    devices = list(mesh.devices.flat)
    lowered = lower_jaxpr(closed, in_shardings=[in_sharding], out_shardings=[out_sharding], devices=devices)
    executable = compiling.compile_lowered(lowered, devices)
    put = lambda value, sharding: engine.put(
        ShapedArray(value.shape, value.dtype),
        sharding,
        [np.ascontiguousarray(value[i]) for i in sharding.devices_indices_map(value.shape).values()],
        devices,
    )
    chosen = engine.compiler.output_shardings(executable)[0]
    sharding = GSPMDSharding(devices, chosen)
    args = [put(c, NamedSharding(mesh, P())) for c in lowered.const_args] + [put(VALUE, in_sharding)]
    (out,) = engine.execute(executable, args, [engine.result_handler(WHOLE, sharding, True)])
    whole = np.empty(WHOLE.shape, WHOLE.dtype)
    for index, part in zip(sharding.devices_indices_map(WHOLE.shape).values(), engine.shards(out)):
        whole[index] = np.asarray(part)
    return whole, sharding


def test_constraints_of_both_kinds_mix(mesh):
    rows = GSPMDSharding(list(mesh.devices.flat), engine.HloSharding.iota_tile([4, 1]))
    turned = NamedSharding(mesh, P("y", "x"))

    def f(x):
        return constrain.bind(constrain.bind(add.bind(x, x)[0], sharding=turned)[0], sharding=rows)

    out, sharding = run(trace_to_jaxpr(f, [WHOLE]), mesh, NamedSharding(mesh, P("x")))
    assert (out == 2 * VALUE).all() and sharding.is_equivalent_to(rows, 2)
    out, sharding = run(trace_to_jaxpr(lambda x: constrain.bind(x, sharding=turned), [WHOLE]), mesh, rows)
    assert (out == VALUE).all() and sharding.is_equivalent_to(turned, 2)


def test_a_mesh_in_another_order(mesh):
    backwards = Mesh(mesh.devices[::-1], ("x", "y"))
    cut = NamedSharding(backwards, P("x"))
    out, sharding = run(
        trace_to_jaxpr(lambda x: constrain.bind(x, sharding=cut), [WHOLE]), mesh, NamedSharding(mesh, P())
    )
    where = dict(sharding.devices_indices_map(WHOLE.shape))
    assert (out == VALUE).all() and where[mesh.devices[0, 0]][0] == slice(4, 8)


def test_manual_regions_with_hidden_constants(mesh):
    big = np.arange(16 + 16, dtype=np.float32).reshape(8, 4)[:4] + np.zeros((4, 4), np.float32)
    more = np.concatenate([big, big])  # 32 elements: a hidden argument

    class AddHalf(Primitive):
        name = "add_half"

        def abstract_eval(self, x, c):
            return [x]

        def lower(self, ctx, x, c):
            attrs = {
                "start_indices": ctx.i64s((0, 0)),
                "limit_indices": ctx.i64s((4, 4)),
                "strides": ctx.i64s((1, 1)),
            }
            return ctx.emit("stablehlo.add", (x, ctx.op("stablehlo.slice", (c,), None, attrs).result))

    half = AddHalf()
    body = trace_to_jaxpr(lambda v: sum_over_x.bind(half.bind(v, more)[0]), [LOCAL])
    closed = trace_to_jaxpr(lambda x: manual.bind(x, body=body, mesh=mesh), [WHOLE])
    out, _ = run(closed, mesh, NamedSharding(mesh, P("x")))
    assert (out[:4] == VALUE[:4] + VALUE[4:] + 2 * big).all() and (out[4:] == out[:4]).all()


def test_callbacks_run_on_one_device(mesh):
    seen = []

    def fn(x):
        seen.append(x.shape)
        return (x * 10,)

    closed = trace_to_jaxpr(lambda x: callback.bind(x, fn=fn), [WHOLE])
    out, sharding = run(closed, mesh, NamedSharding(mesh, P("x")))
    assert seen == [(8, 4)] and (out == VALUE * 10).all()
