"""Random numbers from explicit keys. Streams are bit-identical to those of JAX."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.random.keys": "key PRNGKey key_data key_dtype key_impl wrap_key_data split fold_in clone",
        "ferax._src.random.uniform": "bits uniform randint",
        "ferax._src.random.continuous": (
            "normal lognormal truncated_normal exponential laplace logistic cauchy maxwell gumbel rayleigh pareto triangular "
            "wald weibull_min double_sided_maxwell"),
        "ferax._src.random.discrete": "bernoulli rademacher geometric categorical",
        "ferax._src.random.gamma": "gamma loggamma beta dirichlet chisquare f t generalized_normal ball random_gamma_p",
        "ferax._src.random.counts": "poisson binomial multinomial",
        "ferax._src.random.choices": "permutation choice",
        "ferax._src.random.matrices": "multivariate_normal orthogonal",
    },
    first="ferax._src.numpy.array_methods",
)
