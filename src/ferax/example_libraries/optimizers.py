"""``ferax.example_libraries.optimizers``: gradient methods as triples of functions, and schedules of step sizes."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.tools.optimizer_trees": (
            "Array InitFn JoinPoint Optimizer OptimizerState Params ParamsFn Schedule State Step UpdateFn Updates "
            "map=safe_map optimizer pack_optimizer_state unpack_optimizer_state zip=safe_zip"),
        "ferax._src.tools.optimizers": (
            "adagrad adam adamax clip_grads l2_norm momentum nesterov rmsprop rmsprop_momentum sgd sm3"),
        "ferax._src.tools.schedules": (
            "constant exponential_decay inverse_time_decay make_schedule piecewise_constant polynomial_decay"),
    },
    first="ferax._src.numpy.array_methods",
)
