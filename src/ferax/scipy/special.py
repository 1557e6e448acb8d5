"""``ferax.scipy.special``: special functions."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.numpy.logsumexp": "logsumexp",
        "ferax._src.scipy.special_bessel": "bessel_jn i0 i0e i1 i1e",
        "ferax._src.scipy.special_exponential": (
            "boxcox boxcox1p entr expit kl_div log_softmax logit rel_entr softmax xlog1py xlogy"),
        "ferax._src.scipy.special_gamma": (
            "bernoulli beta betainc betaln comb digamma factorial gamma gammainc gammaincc gammaln gammasgn loggamma "
            "multigammaln poch polygamma zeta"),
        "ferax._src.scipy.special_hypergeometric": "hyp1f1 hyp2f1",
        "ferax._src.scipy.special_integrals": "exp1 expi expn fresnel sici spence",
        "ferax._src.scipy.special_legendre": "lpmn lpmn_values sph_harm_y",
        "ferax._src.scipy.special_owens": "owens_t",
        "ferax._src.scipy.special_normal": "dawsn erf erfc erfcx erfinv log_ndtr ndtr ndtri wofz",
    },
    first="ferax._src.numpy.array_methods",
)
