"""The exception classes that users meet by name (``ferax.errors``), and the words in which they speak.

Most are about tracers used where Python or NumPy needs a value.  Their constructors take the tracer and find
out by themselves what a reader wants to know: the variable's name and type, where its value came from, the
line that wanted it, and the way out.  Each has a page in ``docs/errors/``.  Given a string instead of a
tracer they take it for the whole message (so they can be copied and pickled).
"""

from __future__ import annotations

import re
from typing import Any

from ferax._src import engine
from ferax._src.util import config, source as source_info

#: Errors of the runtime: out of memory, a failed compilation, a device that is gone.
JaxRuntimeError = engine.JaxRuntimeError


# -- words about a tracer ------------------------------------------------------------------------------------


def _type_of(tracer: Any) -> str:
    aval = getattr(tracer, "aval", None)
    short = getattr(aval, "str_short", None)
    return short() if short is not None else str(aval if aval is not None else type(tracer).__name__)


def _made_at(tracer: Any) -> Any:
    """The source of the equation that computed the tracer's value; None for arguments and where it is not known."""
    return getattr(getattr(tracer, "eqn", None), "source", None)


def _value(tracer: Any) -> str:
    """The value as the user knows it: '`loss` (float32[])', '`jnp.mean(r)` (float32[])', 'a value (float32[])'."""
    made_at = _made_at(tracer)
    name = source_info.assigned_name(made_at) or source_info.expression(made_at)
    argument = re.match(r"the argument ([\w.\[\]'\"]+) of ", _origin_text(tracer))
    if not name and argument:
        name = argument[1]
    return (f"`{name}`" if name else "a value") + f", of type {_type_of(tracer)},"


def _origin_text(tracer: Any) -> str:
    origin = getattr(tracer, "_origin", None)
    return origin() if origin is not None else ""


def _origin(tracer: Any) -> str:
    """The line that says how the value came to be, or nothing."""
    text = _origin_text(tracer)
    return f"\n  The value is {text}." if text else ""


def _here() -> str:
    """The line that says which user's line wanted the value, or nothing."""
    frame = source_info.user_frame(source_info.current())
    if frame is None:
        return ""
    line = source_info.source_line(frame)
    return f"\n  It was needed at {source_info.summarize(frame)}" + (f":  {line}" if line else "")


def _message(what: str, tracer: Any, cure: str, page: str, context: str = "") -> str:
    context = f"\n  {context}" if context else ""
    return f"{what}{_origin(tracer)}{_here()}{context}\n{cure} See docs/errors/{page}.md"


def _sentence(text: str) -> str:
    """A remark as a sentence of its own."""
    text = text.strip()
    return text if not text or text[-1] in ".!?:;)\n" else text + "."


_UNKNOWN = "is traced: it stands for values that exist only when the compiled program runs"


# -- bases ---------------------------------------------------------------------------------------------------


class JAXTypeError(TypeError):
    """Base of errors about the kind of a value."""

    def __init__(self, message: str):
        super().__init__(message)


class JAXIndexError(IndexError):
    """Base of errors about indices."""

    def __init__(self, message: str):
        super().__init__(message)


# -- tracers where values are needed -------------------------------------------------------------------------


class ConcretizationTypeError(JAXTypeError):
    """A concrete value was needed, but there is a tracer.

    Cause: inside ``jit``, ``vmap``, ``scan`` and the like, arrays are tracers with a type and no values;
    ``int(x)``, ``x.item()``, or a shape that depends on ``x`` ask for values.  Cure: make the argument
    static, or use an operation that works on arrays (``x.astype(int)``).  ``docs/errors/concretization.md``
    """

    def __init__(self, tracer: Any, context: str = ""):
        super().__init__(
            tracer
            if isinstance(tracer, str)
            else _message(
                f"A concrete value is needed here, but {_value(tracer)} {_UNKNOWN}.",
                tracer,
                "Convert with x.astype(...) instead of int() or float(); give what must be known beforehand (sizes, counts, "
                "flags) as a static argument, jit(f, static_argnames=...); or do this part outside of the traced function.",
                "concretization",
                _sentence(context),
            )
        )


class TracerBoolConversionError(ConcretizationTypeError):
    """The truth of a tracer was asked for.

    Cause: ``if x > 0:``, ``while``, ``and``, ``or``, ``not``, ``assert`` on a tracer.  Cure: ``jnp.where`` to
    choose between values, ``lax.cond`` between computations, ``lax.while_loop`` to repeat, ``&``, ``|`` and
    ``~`` for logic; or make the argument static.  ``docs/errors/tracer-bool.md``
    """

    def __init__(self, tracer: Any):
        super().__init__(
            tracer
            if isinstance(tracer, str)
            else _message(
                f"Python asked whether {_value(tracer)} is true, but it {_UNKNOWN}.",
                tracer,
                "Use jnp.where(condition, a, b) to choose between values, lax.cond to choose between computations, "
                "lax.while_loop to repeat, and &, |, ~ instead of and, or, not. If the condition depends on arguments that "
                "may be fixed, make them static: jit(f, static_argnames=...).",
                "tracer-bool",
            )
        )


class TracerArrayConversionError(JAXTypeError):
    """A tracer was to become a NumPy array.

    Cause: a NumPy function (``np.sin(x)``, ``np.asarray(x)``) got a tracer.  Cure: call the function of the
    same name in ``ferax.numpy``, or ``pure_callback`` for code that only NumPy has.
    ``docs/errors/tracer-array.md``
    """

    def __init__(self, tracer: Any):
        super().__init__(
            tracer
            if isinstance(tracer, str)
            else _message(
                f"NumPy needs the values of {_value(tracer)} but it {_UNKNOWN}.",
                tracer,
                "Call the function of the same name in ferax.numpy (jnp) instead of NumPy's; for code that has no such "
                "counterpart use pure_callback. To index a NumPy array with it, make that array a jnp.asarray(...) first.",
                "tracer-array",
            )
        )


class TracerIntegerConversionError(JAXTypeError):
    """A tracer was used as a Python integer.

    Cause: it indexes a list or a tuple, or is the length of a ``range``.  Cure: index a ``jnp`` array,
    ``lax.fori_loop`` for the loop, ``lax.switch`` to choose a function; or make it static.
    ``docs/errors/tracer-integer.md``
    """

    def __init__(self, tracer: Any):
        super().__init__(
            tracer
            if isinstance(tracer, str)
            else _message(
                f"Python needs {_value(tracer)} as an integer, but it {_UNKNOWN}.",
                tracer,
                "To index a list or tuple, make it an array first, jnp.array(items)[i], or choose with lax.switch; to repeat, "
                "use lax.fori_loop instead of range; for shapes and axes, make the argument static: "
                "jit(f, static_argnames=...).",
                "tracer-integer",
            )
        )


class NonConcreteBooleanIndexError(JAXIndexError):
    """A traced boolean array was used as an index.

    Cause: how many elements ``x[mask]`` has depends on the values of ``mask``, while shapes must be known
    when tracing. Cure: ``jnp.where(mask, x, fill)``, ``x.at[mask].set(value)``, reductions with
    ``where=mask``, or ``jnp.nonzero(mask, size=n)``.  ``docs/errors/boolean-index.md``
    """

    def __init__(self, tracer: Any):
        super().__init__(
            tracer
            if isinstance(tracer, str)
            else _message(
                f"The shape of the result depends on how many elements of {_value(tracer)} are true, but it {_UNKNOWN}.",
                tracer,
                "Use jnp.where(mask, x, fill) to keep the shape, x.at[mask].set(value) to assign, where=mask in reductions "
                "(x.mean(where=mask)), or jnp.nonzero(mask, size=n, fill_value=...) with a fixed number of places.",
                "boolean-index",
            )
        )


class UnexpectedTracerError(JAXTypeError):
    """A tracer was used after, or outside of, the transformation that it belongs to.

    Cause: a traced function stored an intermediate value in a global, an attribute, a list or a closure.
    Cure: return the value.  The option ``jax_check_tracer_leaks`` finds the place.
    ``docs/errors/leaked-tracer.md``
    """

    def __init__(self, tracer: Any):
        super().__init__(tracer if isinstance(tracer, str) else leak_message(tracer))


def leak_message(tracer: Any, held: str | None = None) -> str:
    """What to say of a tracer outside of its transformation: used there, or with ``held`` (who holds it) found there."""
    made_at = _made_at(tracer)
    limit = config.tracer_error_num_traceback_frames.value
    # Outermost first, as Python shows stacks.
    frames = source_info.user_frames(made_at, limit if limit >= 0 else None)[::-1]
    stack = "".join(f"\n    {source_info.summarize(f)}:  {source_info.source_line(f)}" for f in frames)
    made = f"\n  It was made at (innermost call last):{stack}" if frames else ""
    if held is not None:
        what, used, find = "is still referred to when the transformation that it belongs to has ended.", held, ""
    else:
        ended = not getattr(getattr(tracer, "_trace", None), "alive", False)
        what = ("is used after the transformation that it belongs to has ended." if ended else
                "is used where the transformation that it belongs to does not reach: in another thread, or in a block that "
                "evaluates at once.")
        used = _here().replace("It was needed", "It was used")
        find = ("To find the place where it leaks, run under `with ferax.checking_leaks():` or with "
                "FERAX_CHECK_TRACER_LEAKS=1. ")
    return (
        f"A traced value left the function in which it was made: {_value(tracer)} {what}"
        + _origin(tracer)
        + made
        + used
        + "\nReturn the value from the function instead of storing it in a global, an attribute, a list or a closure. "
        + find
        + "See docs/errors/leaked-tracer.md"
    )


class KeyReuseError(JAXTypeError):
    """A random key was used twice, so that the same "random" numbers appear twice.

    Cause: a key given to two samplers, or to a sampler and to ``split``.  Cure: ``key, sub =
    random.split(key)`` before each use.  Raised only under the option ``jax_debug_key_reuse``.
    ``docs/errors/key-reuse.md``
    """


# -- others --------------------------------------------------------------------------------------------------


class JaxprTypeError(TypeError):
    """A jaxpr breaks its own rules: an operand or a result of the wrong type, an unbound variable.

    Programs made by tracing never do, so this points at a faulty rule of a primitive.
    """


class InconclusiveDimensionOperation(Exception):
    """A question about symbolic dimensions (``n == m``, ``n >= 1``) has no answer that holds for all sizes.

    Cure: add a constraint to the symbolic scope, or choose the symbols so that the sizes are the same.
    ``docs/errors/inconclusive-dimension.md``
    """


# The classes are known by their public home.
for _class in (
    JAXTypeError,
    JAXIndexError,
    ConcretizationTypeError,
    TracerBoolConversionError,
    TracerArrayConversionError,
    TracerIntegerConversionError,
    NonConcreteBooleanIndexError,
    UnexpectedTracerError,
    KeyReuseError,
    JaxprTypeError,
    InconclusiveDimensionOperation,
):
    _class.__module__ = "ferax.errors"
