//! What a convolution has left to the operation after it: to add its bias, and to apply its ReLU.
//!
//! A GPU does both while it reads the convolution's output anyway, and sums the gradient of the
//! bias while it writes that of the output.

use candle_core::{CpuStorage, Result, Shape, Tensor};
#[cfg(feature = "cuda")]
use candle_core::{CudaStorage, DType, Storage, bail};

use crate::check::check_shape;
use crate::cpu::elementwise::sum_rows;
#[cfg(feature = "cuda")]
use crate::cuda::gpu::Gpu;
#[cfg(feature = "cuda")]
use crate::cuda::launch::Span;
use crate::op::{self, Input, produce};
use crate::ops::activation::function::relu;
#[cfg(feature = "cuda")]
use crate::ops::bias::{cuda::column_sums, launch::add_bias};
#[cfg(feature = "cuda")]
use crate::ops::dropout::launch::scaled;
use crate::ops::max_pool::launch::PoolSize;

/// The rest of a convolution: `max(x + bias, 0)`, or without a ReLU `x + bias`.
#[derive(Debug, Clone)]
pub struct Rest {
    /// `(C)` f32.
    pub bias: Tensor,
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl Rest {
    pub(super) fn check(&self, size: &PoolSize) -> Result<()> {
        check_shape("lrn-pool", "the bias", &self.bias, &[size.channels])
    }

    /// How many parts of the input, one after another, have channels of their own.
    fn parts(size: &PoolSize) -> usize {
        if size.towers.input_apart { size.towers.count } else { 1 }
    }

    /// `x` as it is after the rest of the convolution.
    pub(super) fn cpu(&self, size: &PoolSize, x: &Input<'_, CpuStorage>) -> Result<op::CpuOutputs> {
        let (bias, parts, x) = (self.bias.to_vec1::<f32>()?, Self::parts(size), x.values::<f32>()?);
        let row = size.channels / parts;
        produce(size.input_shape(), |y| {
            let of_part = x.len() / parts;
            let all = y.chunks_mut(of_part).zip(x.chunks(of_part)).zip(bias.chunks(row));
            for ((y, x), bias) in all {
                for (y, x) in y.chunks_exact_mut(row).zip(x.chunks_exact(row)) {
                    for ((y, x), bias) in y.iter_mut().zip(x).zip(bias) {
                        *y = if self.relu { relu(x + bias) } else { x + bias };
                    }
                }
            }
            Ok(())
        })
    }

    /// The sums of `dx` over all pixels: (C).
    pub(super) fn gradient_cpu(
        &self,
        size: &PoolSize,
        dx: &Input<'_, CpuStorage>,
    ) -> Result<(CpuStorage, Shape)> {
        let (parts, dx) = (Self::parts(size), dx.values::<f32>()?);
        let mut sums = vec![0.0; size.channels];
        let all = sums.chunks_mut(size.channels / parts).zip(dx.chunks(dx.len() / parts));
        all.for_each(|(sums, dx)| sum_rows(dx, sums));
        Ok((CpuStorage::F32(sums), Shape::from(size.channels)))
    }

    /// `x` as it is after the rest of the convolution.
    #[cfg(feature = "cuda")]
    pub(super) fn cuda(
        &self,
        size: &PoolSize,
        x: &Input<'_, CudaStorage>,
    ) -> Result<op::CudaOutputs> {
        let gpu = Gpu::of(x.storage);
        let (x, parts) = (gpu.read(x)?, Self::parts(size));
        let bytes = x.storage.bytes();
        self.with_bias(&gpu, |bias| {
            gpu.produce(x.storage, size.input_shape(), |y| {
                gpu.run(&scaled(x.storage, [x.span, y], 1.0)?)?; // a copy
                (0..parts).try_for_each(|number| {
                    let y = y.part(number, parts, bytes);
                    let bias = bias.part(number, parts, size_of::<f32>());
                    gpu.run(&add_bias(x.storage, y, bias, self.relu)?)
                })
            })
        })
    }

    /// The sums of `dx` over all pixels: (C).
    #[cfg(feature = "cuda")]
    pub(super) fn gradient_cuda(
        &self,
        size: &PoolSize,
        dx: &Input<'_, CudaStorage>,
    ) -> Result<(CudaStorage, Shape)> {
        let (gpu, parts) = (Gpu::of(dx.storage), Self::parts(size));
        column_sums(&gpu, &gpu.read(dx)?, size.channels / parts, parts)
    }

    /// Calls `f` with the memory of the bias.
    #[cfg(feature = "cuda")]
    pub(super) fn with_bias<R>(&self, gpu: &Gpu, f: impl FnOnce(Span) -> Result<R>) -> Result<R> {
        let bias = self.bias.contiguous()?;
        let (storage, layout) = bias.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else { bail!("lrn-pool: the bias is on the CPU") };
        f(gpu.read_as(DType::F32, &Input { op: "lrn-pool", storage, layout })?)
    }
}
