"""Attributes of the StableHLO, CHLO and Shardy dialects, remembered per context."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _chlo, _sdy, _stablehlo


class DialectAttributes:
    """The part of a `Workbench` that makes attributes of the dialects."""

    context: Any
    memo: dict[Any, Any]
    element_type: Callable[[Any], Any]
    array: Callable[[Sequence[Any]], Any]
    dense: Callable[[np.ndarray], Any]
    index_type: Any

    def _remembered(self, key: tuple, make: Callable[[], Any]) -> Any:
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = make()
        return found

    def dot_dimension_numbers(
        self,
        lhs_batch: Sequence[int],
        rhs_batch: Sequence[int],
        lhs_contract: Sequence[int],
        rhs_contract: Sequence[int],
    ) -> Any:
        args = tuple(lhs_batch), tuple(rhs_batch), tuple(lhs_contract), tuple(rhs_contract)
        return self._remembered(
            ("dot", args), lambda: _stablehlo.DotDimensionNumbers.get(*map(list, args), context=self.context)
        )

    def ragged_dot_dimension_numbers(self, *dims: Sequence[int]) -> Any:
        """lhs batch, rhs batch, lhs contracting, rhs contracting, lhs ragged, rhs group."""
        args = tuple(map(tuple, dims))
        return self._remembered(
            ("ragged", args),
            lambda: _chlo.RaggedDotDimensionNumbers.get(*map(list, args), context=self.context),
        )

    def dot_algorithm(
        self,
        lhs: Any,
        rhs: Any,
        accumulation: Any,
        lhs_components: int,
        rhs_components: int,
        operations: int,
        imprecise: bool,
    ) -> Any:
        """Precision types are dtypes, or the text ``tf32``."""
        types = [
            ir.FloatTF32Type.get(self.context) if t == "tf32" else self.element_type(np.dtype(t))
            for t in (lhs, rhs, accumulation)
        ]
        return _stablehlo.DotAlgorithm.get(
            *types, lhs_components, rhs_components, operations, imprecise, ctx=self.context
        )

    def conv_dimension_numbers(
        self, input_: Sequence[int], kernel: Sequence[int], output: Sequence[int]
    ) -> Any:
        """Positions of the dimensions: batch, feature, *spatial of input and output; of the kernel
        output feature, input feature, *spatial."""
        args = tuple(input_), tuple(kernel), tuple(output)

        def make() -> Any:
            (ib, if_, *is_), (ko, ki, *ks), (ob, of, *os_) = args
            return _stablehlo.ConvDimensionNumbers.get(
                ib, if_, list(is_), ki, ko, list(ks), ob, of, list(os_), ctx=self.context
            )

        return self._remembered(("conv", args), make)

    def gather_dimension_numbers(
        self,
        offset_dims: Sequence[int],
        collapsed_slice_dims: Sequence[int],
        operand_batching_dims: Sequence[int],
        start_indices_batching_dims: Sequence[int],
        start_index_map: Sequence[int],
        index_vector_dim: int,
    ) -> Any:
        args = tuple(
            map(
                tuple,
                (
                    offset_dims,
                    collapsed_slice_dims,
                    operand_batching_dims,
                    start_indices_batching_dims,
                    start_index_map,
                ),
            )
        )
        key = ("gather", args, index_vector_dim)
        return self._remembered(
            key,
            lambda: _stablehlo.GatherDimensionNumbers.get(
                *map(list, args), index_vector_dim, context=self.context
            ),
        )

    def scatter_dimension_numbers(
        self,
        update_window_dims: Sequence[int],
        inserted_window_dims: Sequence[int],
        input_batching_dims: Sequence[int],
        scatter_indices_batching_dims: Sequence[int],
        scattered_dims_to_operand_dims: Sequence[int],
        index_vector_dim: int,
    ) -> Any:
        args = tuple(
            map(
                tuple,
                (
                    update_window_dims,
                    inserted_window_dims,
                    input_batching_dims,
                    scatter_indices_batching_dims,
                    scattered_dims_to_operand_dims,
                ),
            )
        )
        key = ("scatter", args, index_vector_dim)
        return self._remembered(
            key,
            lambda: _stablehlo.ScatterDimensionNumbers.get(
                *map(list, args), index_vector_dim, context=self.context
            ),
        )

    def comparison_direction(self, direction: str) -> Any:
        """EQ, NE, LT, LE, GT, GE."""
        return self._remembered(
            ("direction", direction), lambda: _stablehlo.ComparisonDirectionAttr.get(direction, self.context)
        )

    def comparison_type(self, kind: str) -> Any:
        """FLOAT, TOTALORDER, SIGNED, UNSIGNED."""
        return self._remembered(
            ("comparison", kind), lambda: _stablehlo.ComparisonTypeAttr.get(kind, self.context)
        )

    def precision_config(self, *precisions: str) -> Any:
        """One of DEFAULT, HIGH, HIGHEST for each operand."""
        return self._remembered(
            ("precision", precisions),
            lambda: self.array([_stablehlo.PrecisionAttr.get(p, self.context) for p in precisions]),
        )

    def fft_type(self, kind: str) -> Any:
        """FFT, IFFT, RFFT, IRFFT."""
        return _stablehlo.FftTypeAttr.get(kind, self.context)

    def rng_algorithm(self, kind: str) -> Any:
        """DEFAULT, THREE_FRY, PHILOX."""
        return _stablehlo.RngAlgorithmAttr.get(kind, self.context)

    def rng_distribution(self, kind: str) -> Any:
        """UNIFORM, NORMAL."""
        return _stablehlo.RngDistributionAttr.get(kind, self.context)

    def transpose(self, kind: str) -> Any:
        """NO_TRANSPOSE, TRANSPOSE, ADJOINT (of triangular_solve)."""
        return _stablehlo.TransposeAttr.get(kind, self.context)

    def result_accuracy(self, atol: float, rtol: float, ulps: int, mode: str) -> Any:
        """How exact an elementwise function must be: ``mode`` DEFAULT, HIGHEST or TOLERANCE."""
        return _stablehlo.ResultAccuracyAttr.get(atol, rtol, ulps, mode, context=self.context)

    def channel_handle(self, handle: int, kind: int = 1) -> Any:
        return _stablehlo.ChannelHandle.get(handle, kind, context=self.context)

    def output_operand_alias(self, output_indices: Sequence[int], operand: int) -> Any:
        return _stablehlo.OutputOperandAlias.get(list(output_indices), operand, [], ctx=self.context)

    def index_tensor(self, values: Sequence[int]) -> Any:
        """``dense<[...]> : tensor<Nxindex>``, the form of layouts."""
        values = tuple(values)
        return self._remembered(
            ("index", values),
            lambda: ir.DenseElementsAttr.get(
                np.asarray(values, np.int64), type=self.index_type, shape=[len(values)], context=self.context
            ),
        )

    def i64_tensor(self, values: Any) -> Any:
        """Dense int64 tensor of any rank (replica groups, padding, ...)."""
        return self.dense(np.asarray(values, np.int64))

    def sdy_mesh(self, axes: Sequence[tuple[str, int]], device_ids: Sequence[int] = ()) -> Any:
        """The attribute of an ``sdy.mesh``; device ids only where they are not 0, 1, 2, ..."""
        return _sdy.MeshAttr.get(
            [_sdy.MeshAxisAttr.get(n, s, self.context) for n, s in axes], list(device_ids), self.context
        )

    def sdy_sharding(
        self,
        mesh: str,
        dims: Sequence[tuple[Sequence[str], bool]],
        replicated: Sequence[str] = (),
        unreduced: Sequence[str] = (),
    ) -> Any:
        """``#sdy.sharding<@mesh, [...]>``: per dimension its axes and whether it is closed (False: may be cut further)."""
        axis = lambda name: _sdy.AxisRefAttr.get(name, context=self.context)
        parts = [
            _sdy.DimensionShardingAttr.get(list(map(axis, names)), closed, context=self.context)
            for names, closed in dims
        ]
        return _sdy.TensorShardingAttr.get(
            mesh, parts, list(map(axis, replicated)), list(map(axis, unreduced)), context=self.context
        )

    def sdy_shardings(self, shardings: Sequence[Any]) -> Any:
        return _sdy.TensorShardingPerValueAttr.get(list(shardings), context=self.context)

    def sdy_manual_axes(self, names: Sequence[str]) -> Any:
        return _sdy.ManualAxesAttr.get(
            [ir.StringAttr.get(n, self.context) for n in names], context=self.context
        )
