//! candle differentiates through the operations: the gradient of a sum over LRN and max-pooling,
//! beside finite differences.
//!
//! ```text
//! cargo run --release -p alexnet-kernels --example 02_autograd
//! ```
#![allow(clippy::print_stdout)] // an example talks to people

use alexnet_kernels::{Lrn, MaxPool2d, normals};
use candle_core::{Device, Error, Module, Result, Tensor, Var};

const DIMS: (usize, usize, usize, usize) = (1, 5, 7, 7);
const STEP: f32 = 1e-2;

/// A scalar: the sum of squares of the pooled, normalized input.
fn loss(x: &Tensor) -> Result<Tensor> {
    let y = Lrn::new(3).alpha(0.5).k(1.0).forward(x)?;
    MaxPool2d::new(3, 2).forward(&y)?.sqr()?.sum_all()
}

/// Compares each element of the gradient.
pub fn main() -> Result<()> {
    let values = normals(1, 0, 1.0, 5 * 7 * 7);
    let x = Var::from_tensor(&Tensor::from_slice(&values, DIMS, &Device::Cpu)?)?;
    let grads = loss(&x)?.backward()?;
    let grad = grads.get(&x).ok_or_else(|| Error::Msg("x has no gradient".to_owned()).bt())?;
    let grad = grad.flatten_all()?.to_vec1::<f32>()?;

    let mut largest = 0f32;
    for (i, grad) in grad.iter().enumerate() {
        let loss_at = |shift: f32| -> Result<f32> {
            let mut values = values.clone();
            values[i] += shift;
            loss(&Tensor::from_vec(values, DIMS, &Device::Cpu)?)?.to_scalar()
        };
        let difference = (loss_at(STEP)? - loss_at(-STEP)?) / (2.0 * STEP);
        largest = largest.max((difference - grad).abs());
        if grad.abs() > 1.0 {
            println!("x[{i:3}]  candle's gradient {grad:8.4}  finite difference {difference:8.4}");
        }
    }
    println!("largest difference of all {} elements: {largest:.1e}", grad.len());
    assert!(largest < 1e-2);
    Ok(())
}
