//! Between burn's tensors and slices.

use burn::tensor::{Bytes, DType, Tensor, TensorPrimitive};
use burn_flex::{Flex, FlexTensor, Layout};

/// The contiguous storage of a tensor.
pub(super) fn primitive<const D: usize>(tensor: Tensor<Flex, D>) -> FlexTensor {
    contiguous(tensor.into_primitive().tensor())
}

pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

/// The values of a contiguous tensor.
#[expect(clippy::expect_used, reason = "the fused operations make their inputs contiguous")]
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32")
}

/// The values of a contiguous tensor to write on; copied only if others share them.
#[expect(clippy::expect_used, reason = "as of `values`")]
pub(super) fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    let range = tensor.layout().contiguous_offsets().expect("a contiguous tensor");
    &mut tensor.storage_mut()[range.0..range.1]
}

pub(super) fn flex(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    let layout = Layout::contiguous(shape.into());
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<Flex, D> {
    Tensor::from_primitive(TensorPrimitive::Float(flex(values, &shape)))
}
