//! Memory that is given back is used again, and only where it was asked for.

use alexnet_kernels::{InputGradient, KeepMemory, MaxPool2d, Relu, recycle, upload};
use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor, Var};

/// Where the elements of a tensor on the CPU lie, and how many there are.
fn place(x: &Tensor) -> (usize, usize) {
    match &*x.storage_and_layout().0 {
        Storage::Cpu(CpuStorage::F32(values)) => (values.as_ptr() as usize, values.len()),
        Storage::Cpu(CpuStorage::U8(values)) => (values.as_ptr() as usize, values.len()),
        _ => panic!("floats or bytes in main memory"),
    }
}

#[test]
fn results_lie_where_given_back_ones_lay() -> Result<()> {
    let x = Tensor::ones((3, 5), DType::F32, &Device::Cpu)?;
    let _memory = KeepMemory::new();
    let first = Relu.forward(&x)?;
    let at = place(&first);
    let view = first.t()?;
    drop(first);
    recycle(view); // whole, though it is only a view
    let second = Relu.forward(&x)?;
    assert_eq!(place(&second), at);
    assert_eq!(second.to_vec2::<f32>()?, x.to_vec2::<f32>()?);
    assert_ne!(place(&Relu.forward(&x)?), at, "it is in use");
    Ok(())
}

#[test]
fn bytes_and_argmaxes_come_back_too() -> Result<()> {
    let _memory = KeepMemory::new();
    let bytes: Vec<u8> = (0..48).collect();
    let first = upload(&bytes, (1, 4, 4, 3), &Device::Cpu)?;
    let at = place(&first);
    recycle(first);
    let second = upload(&bytes, (4, 4, 3), &Device::Cpu)?;
    assert_eq!((place(&second), second.flatten_all()?.to_vec1::<u8>()?), (at, bytes));

    let x = Tensor::ones((1, 2, 4, 4), DType::F32, &Device::Cpu)?;
    let pool = MaxPool2d { kernel: 3, stride: 1, ceil: false };
    let argmax = |x| pool.forward_argmax(x, false, InputGradient::Plain).map(|p| p.argmax);
    let first = argmax(&x)?;
    let at = place(&first);
    recycle(first);
    assert_eq!(place(&argmax(&x)?), at);
    assert!(upload(&[1, 2, 3], 2, &Device::Cpu).is_err());
    Ok(())
}

#[test]
fn nothing_is_taken_unasked() -> Result<()> {
    let x = Tensor::ones((3, 5), DType::F32, &Device::Cpu)?;
    let twin = x.clone();
    recycle(x); // nobody keeps memory here
    assert_eq!(place(&twin).1, 15);

    let _memory = KeepMemory::new();
    let variable = Var::from_tensor(&twin)?;
    let y = Relu.forward(variable.as_tensor())?;
    let twin = y.clone();
    recycle(y); // gradients will flow through it
    assert_eq!(place(&twin).1, 15);
    let gradients = twin.sum_all()?.backward()?;
    assert!(gradients.get(&variable).is_some());
    Ok(())
}

#[test]
fn keepers_nest() -> Result<()> {
    let x = Tensor::ones(7, DType::F32, &Device::Cpu)?;
    let outer = KeepMemory::new();
    drop(KeepMemory::new());
    let y = Relu.forward(&x)?;
    let twin = y.clone();
    recycle(y);
    assert_eq!(place(&twin).1, 0, "the outer one still keeps");
    drop(outer);
    let y = Relu.forward(&x)?;
    let twin = y.clone();
    recycle(y);
    assert_eq!(place(&twin).1, 7);
    Ok(())
}
