"""Operations on arrays, one floor below NumPy: explicit in dtypes and shapes, with control flow and collectives."""

from ferax._src.util.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ferax._src.control.associative_scan": "associative_scan",
        "ferax._src.control.barrier": "optimization_barrier optimization_barrier_p",
        "ferax._src.control.collectives": "all_gather_p all_to_all_p axis_index_p pmax_p pmin_p ppermute_p psum_p",
        "ferax._src.control.collectives_api": (
            "all_gather all_to_all axis_index axis_size pbroadcast pcast pmax pmean pmin ppermute precv psend pshuffle "
            "psum psum_scatter pswapaxes ragged_all_to_all"
        ),
        "ferax._src.control.composite": "composite",
        "ferax._src.control.cond": "cond cond_p switch",
        "ferax._src.control.linear_solve": "custom_linear_solve custom_root linear_solve_p",
        "ferax._src.control.map": "map",
        "ferax._src.control.platform_dependent": "platform_dependent",
        "ferax._src.control.reduce_window": "reduce_window reduce_window_p",
        "ferax._src.control.reductions": "reduce reduce_p",
        "ferax._src.control.ragged_all_to_all": "ragged_all_to_all_p",
        "ferax._src.control.scan": "scan_p",
        "ferax._src.control.scan_api": "scan",
        "ferax._src.control.sharding_constraint": "sharding_constraint_p with_sharding_constraint",
        "ferax._src.control.stage": "stage stage_p",
        "ferax._src.control.stop_gradient": "stop_gradient stop_gradient_p",
        "ferax._src.control.while_loop": "fori_loop while_loop while_p",
        "ferax._src.ops.accuracy": "AccuracyMode Tolerance",
        "ferax._src.ops.approx_top_k": "approx_max_k approx_min_k approx_top_k_p",
        "ferax._src.ops.arg_extrema": "argmax argmax_p argmin argmin_p",
        "ferax._src.ops.base": "add add_p",
        "ferax._src.ops.broadcasting": (
            "broadcast broadcast_in_dim broadcast_in_dim_p broadcast_like broadcast_shapes broadcast_to_rank "
            "expand_dims reduce_sum reduce_sum_p transpose transpose_p"
        ),
        "ferax._src.ops.compare": "eq eq_p eq_to_p ge ge_p gt gt_p le le_p le_to_p lt lt_p lt_to_p ne ne_p",
        "ferax._src.ops.conv": "conv_general_dilated_p",
        "ferax._src.ops.conv_functions": (
            "conv conv_general_dilated conv_general_dilated_local conv_general_dilated_patches conv_transpose "
            "conv_with_general_padding"
        ),
        "ferax._src.ops.conv_numbers": (
            "ConvDimensionNumbers ConvGeneralDilatedDimensionNumbers conv_dimension_numbers "
            "conv_general_permutations conv_general_shape_tuple conv_shape_tuple conv_transpose_shape_tuple "
            "padtype_to_pads"
        ),
        "ferax._src.ops.convert": (
            "bitcast_convert_type bitcast_convert_type_p convert_element_type convert_element_type_p copy_p "
            "reduce_precision reduce_precision_p"
        ),
        "ferax._src.ops.cumulative": (
            "cumlogsumexp cumlogsumexp_p cummax cummax_p cummin cummin_p cumprod cumprod_p cumsum cumsum_p "
            "reduce_prod reduce_prod_p"
        ),
        "ferax._src.ops.dot": "DotDimensionNumbers PrecisionLike batch_matmul dot dot_general dot_general_p",
        "ferax._src.ops.dynamic_slicing": (
            "dynamic_index_in_dim dynamic_slice dynamic_slice_in_dim dynamic_slice_p dynamic_update_index_in_dim "
            "dynamic_update_slice dynamic_update_slice_in_dim dynamic_update_slice_p"
        ),
        "ferax._src.ops.elementwise": (
            "RoundingMethod abs abs_p acos acos_p acosh acosh_p asin asin_p asinh asinh_p atan atan2 atan2_p "
            "atan_p atanh atanh_p cbrt cbrt_p ceil ceil_p cos cos_p cosh cosh_p div div_p exp exp2 exp2_p exp_p "
            "expm1 expm1_p floor floor_p integer_pow integer_pow_p is_finite is_finite_p log log1p log1p_p log2 "
            "log2_p log_p logistic logistic_p max max_p min min_p mul mul_p neg neg_p nextafter nextafter_p "
            "one_minus_square one_minus_square_p pow pow_p reciprocal rem rem_p round round_p rsqrt rsqrt_p sign "
            "sign_p sin sin_p sinh sinh_p sqrt sqrt_p square square_p sub sub_p tan tan_p tanh tanh_p"
        ),
        "ferax._src.ops.elementwise_bits": (
            "and_p bitwise_and bitwise_not bitwise_or bitwise_xor clz clz_p mulhi mulhi_p not_p or_p "
            "population_count population_count_p shift_left shift_left_p shift_right_arithmetic "
            "shift_right_arithmetic_p shift_right_logical shift_right_logical_p xor_p"
        ),
        "ferax._src.ops.elementwise_complex": "complex complex_p conj conj_p imag imag_p real real_p",
        "ferax._src.ops.elementwise_beta": "betainc regularized_incomplete_beta_p",
        "ferax._src.ops.elementwise_gamma": (
            "igamma igamma_grad_a igamma_grad_a_p igamma_p igammac igammac_p random_gamma_grad"
        ),
        "ferax._src.ops.elementwise_special": (
            "bessel_i0e bessel_i0e_p bessel_i1e bessel_i1e_p digamma digamma_p erf erf_inv erf_inv_p erf_p erfc "
            "erfc_p lgamma lgamma_p polygamma polygamma_p zeta zeta_p"
        ),
        "ferax._src.ops.fft": "FftType fft fft_p",
        "ferax._src.ops.gather": "gather gather_p index_take scatter_add_p scatter_sub_p",
        "ferax._src.ops.indexing": "GatherDimensionNumbers GatherScatterMode ScatterDimensionNumbers",
        "ferax._src.ops.joining": "concatenate concatenate_p split split_p stack stack_p unstack unstack_p",
        "ferax._src.ops.precision": "DotAlgorithm DotAlgorithmPreset Precision",
        "ferax._src.ops.ragged_dot": "RaggedDotDimensionNumbers ragged_dot ragged_dot_general",
        "ferax._src.ops.reduce": (
            "reduce_and reduce_and_p reduce_max reduce_max_p reduce_min reduce_min_p reduce_or reduce_or_p "
            "reduce_xor reduce_xor_p"
        ),
        "ferax._src.ops.reduce_window": "reduce_window_max_p reduce_window_min_p reduce_window_sum_p",
        "ferax._src.ops.rng": (
            "RandomAlgorithm rng_bit_generator rng_bit_generator_p rng_uniform rng_uniform_p"
        ),
        "ferax._src.ops.scaled_dot": "scaled_dot",
        "ferax._src.ops.scatter": (
            "scatter scatter_add scatter_apply scatter_max scatter_max_p scatter_min scatter_min_p scatter_mul "
            "scatter_mul_p scatter_p scatter_sub"
        ),
        "ferax._src.ops.select": "clamp clamp_p select select_n select_n_p",
        "ferax._src.ops.select_and_scatter": "select_and_gather_add_p select_and_scatter_add_p select_and_scatter_p",
        "ferax._src.ops.shape": (
            "broadcasted_iota collapse iota iota_p reshape reshape_p rev rev_p squeeze squeeze_p tile tile_p"
        ),
        "ferax._src.ops.slicing": "index_in_dim pad pad_p slice slice_in_dim slice_p",
        "ferax._src.ops.sort": "sort sort_key_val sort_p top_k top_k_p",
        "ferax._src.ops.windows": "reduce_window_shape_tuple",
        "ferax._src.ops.tokens": (
            "after_all after_all_p create_token create_token_p dce_sink dce_sink_p dtype empty shape_as_value"
        ),
        "ferax._src.ops.zeros": "full full_like",
        "ferax._src.runtime.transfer": "device_put_p",
    },
    submodules="linalg",
    first="ferax._src.numpy.array_methods",
)
