"""Step sizes that change as an optimizer goes on: each schedule is a function of the number of the step, from 0."""

from __future__ import annotations

from ferax._src.numpy import rounding
from ferax._src.numpy.creation import array
from ferax._src.numpy.manipulation import ndim
from ferax._src.numpy.reductions import sum as sum_of
from ferax._src.numpy.ufuncs import minimum


def constant(step_size):
    """The same step size at every step."""
    def schedule(i):
        return step_size
    return schedule


def exponential_decay(step_size, decay_steps, decay_rate):
    """``step_size * decay_rate ** (i / decay_steps)``: multiplied by the rate once in so many steps, smoothly."""
    def schedule(i):
        return step_size * decay_rate ** (i / decay_steps)
    return schedule


def inverse_time_decay(step_size, decay_steps, decay_rate, staircase=False):
    """``step_size / (1 + decay_rate * i / decay_steps)``.

    Parameters
    ----------
    step_size, decay_steps, decay_rate : number
    staircase : bool; whether ``i / decay_steps`` is rounded down, so that the step size falls once in ``decay_steps`` steps
    """
    def smooth(i):
        return step_size / (1 + decay_rate * i / decay_steps)

    def stairs(i):
        return step_size / (1 + decay_rate * rounding.floor(i / decay_steps))
    return stairs if staircase else smooth


def polynomial_decay(step_size, decay_steps, final_step_size, power=1.0):
    """From ``step_size`` to ``final_step_size`` in ``decay_steps`` steps, along ``(1 - i / decay_steps) ** power``."""
    def schedule(i):
        remaining = 1 - minimum(i, decay_steps) / decay_steps
        return remaining ** power * (step_size - final_step_size) + final_step_size
    return schedule


def piecewise_constant(boundaries, values):
    """Constant between boundaries.

    Parameters
    ----------
    boundaries : sequence of n rising numbers of steps
    values : sequence of n + 1 step sizes; ``values[k]`` holds up to step ``boundaries[k]``, which is included

    Raises
    ------
    ValueError : if they are not one-dimensional or their lengths do not fit.
    """
    boundaries, values = array(boundaries), array(values)
    if boundaries.ndim != 1 or values.ndim != 1:
        raise ValueError("piecewise_constant: boundaries and values must be sequences of numbers, got shapes "
                         f"{boundaries.shape} and {values.shape}")
    if len(values) != len(boundaries) + 1:
        raise ValueError("piecewise_constant: boundaries must be one fewer than values, got "
                         f"{len(boundaries)} and {len(values)}")

    def schedule(i):
        return values[sum_of(i > boundaries)]
    return schedule


def make_schedule(scalar_or_schedule):
    """A schedule from a schedule, which is answered as it is, or from a number, which is then the step size of all steps.

    Raises
    ------
    TypeError : for an array with dimensions.
    """
    if callable(scalar_or_schedule):
        return scalar_or_schedule
    if ndim(scalar_or_schedule):
        raise TypeError("a step size must be a number or a function of the step's number, got "
                        f"{type(scalar_or_schedule).__name__} with {ndim(scalar_or_schedule)} dimensions")
    return constant(scalar_or_schedule)
