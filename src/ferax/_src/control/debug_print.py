"""``debug.print`` and ``debug.log``: show values when the program runs, formatted like ``str.format``."""

from __future__ import annotations

import logging
import string
from dataclasses import dataclass

import numpy as np

from ferax._src.control.callback import bind_debug
from ferax._src.util.tracebacks import api_boundary

logger = logging.getLogger("ferax")


class _Checker(string.Formatter):
    """Finds out, without values, whether a format has a place for each argument and an argument for each place."""

    def format_field(self, value, format_spec):
        return ""

    def convert_field(self, value, conversion):
        if conversion not in (None, "s", "r", "a"):
            raise ValueError(f"debug.print: unknown conversion !{conversion} in the format")
        return value

    def get_field(self, field_name, args, kwargs):
        first = field_name.replace("[", ".").split(".")[0]
        key = int(first) if first.isdigit() else first
        return self.get_value(key, args, kwargs), key

    def check_unused_args(self, used_args, args, kwargs):
        unused = [f"argument {i}" for i in range(len(args)) if i not in used_args]
        unused += [repr(name) for name in kwargs if name not in used_args]
        if unused:
            raise ValueError(f"Unused arguments to `debug.print`: {', '.join(unused)}. The format must have a place {{}} for each "
                             "argument; values in an f-string are formatted while tracing, before they exist.")


_checker = _Checker()


def check_format(fmt: str, args, kwargs) -> None:
    """Check a format against its arguments.

    Raises
    ------
    ValueError : if an argument is not used, or the format is malformed.
    IndexError, KeyError : if it asks for an argument that there is not.
    """
    if not isinstance(fmt, str):
        raise TypeError(f"debug.print: the format must be a str, got {type(fmt).__name__}. To print a value x, write "
                        "debug.print('{}', x)")
    try:
        _checker.vformat(fmt, args, kwargs)
    except IndexError:
        raise IndexError(f"debug.print: the format {fmt!r} has more places than the {len(args)} positional arguments") from None
    except KeyError as error:
        raise KeyError(f"debug.print: the format {fmt!r} names {error}, which is not among the keyword arguments") from None


@dataclass(frozen=True)
class Printer:
    """Formats and prints; equal for equal formats, so that programs are found again."""

    fmt: str
    options: tuple
    use_logging: bool

    def __call__(self, *args, **kwargs) -> None:
        with np.printoptions(**dict(self.options)):
            text = self.fmt.format(*args, **kwargs)
        if self.use_logging:
            logger.info(text)
        else:
            print(text)


def _options() -> tuple:
    """NumPy's print options of the line that asks; the program may run in another thread, with others."""
    return tuple([(k, v) for k, v in np.get_printoptions().items() if k != "override_repr" and not isinstance(v, dict)])


@api_boundary
def debug_print(fmt: str = None, *args, ordered: bool = False, partitioned: bool = False, skip_format_check: bool = False,
                _use_logging: bool = False, **kwargs) -> None:
    """Print values when the program runs; ``ferax.debug.print``. Works in all transformed functions.

    Parameters
    ----------
    fmt : format as of ``str.format``, not an f-string: the values do not exist yet when the line is traced
    *args, **kwargs : pytrees of arrays to be formatted
    ordered : whether prints happen in the order of the program
    partitioned : in a program over several devices, print on each the part that lies there
    skip_format_check : do not check the format against the arguments

    Raises
    ------
    ValueError : if the format has no place for an argument.

    Examples
    --------
    >>> ferax.jit(lambda x: ferax.debug.print("x = {x:.1f}", x=x))(2.)
    x = 2.0
    """
    if not skip_format_check:
        check_format(fmt, args, kwargs)
    printer = Printer(fmt, _options(), bool(_use_logging))
    bind_debug(printer, args, kwargs, bool(ordered), bool(partitioned), as_arrays=False)


def debug_log(fmt: str = None, *args, ordered: bool = False, partitioned: bool = False, skip_format_check: bool = False,
              _use_logging: bool = True, **kwargs) -> None:
    """`debug_print` to the logger named 'ferax', at level INFO."""
    debug_print(fmt, *args, ordered=ordered, partitioned=partitioned, skip_format_check=skip_format_check,
                _use_logging=_use_logging, **kwargs)
