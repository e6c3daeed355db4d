//! The memory pool: this program's own allocator, over one that counts what it is asked for.

use std::alloc::{GlobalAlloc, Layout, System, alloc, dealloc};
use std::cell::Cell;
use std::thread::LocalKey;

use alexnet_kernels::reference::Array;
use alexnet_kernels::{
    Activation, Conv2d, Conv2dConfig, Dropout, DropoutKey, DropoutMode, Epilogue, HostBatch,
    InputGrad, Linear, Lrn, MaxPool2d, Padding, PoolAllocator, PoolGuard, Staging, all_gather,
    cross_entropy_with_grad, scatter,
};
use candle_core::{CpuStorage, Device, Module, Result, Storage, Tensor, Var};

#[global_allocator]
static ALLOCATOR: PoolAllocator<Counting> = PoolAllocator::over(Counting);

/// The system's allocator, which counts the large buffers that each thread takes and gives back.
struct Counting;

thread_local! {
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    static GIVEN_BACK: Cell<usize> = const { Cell::new(0) };
}

fn count(layout: Layout, counter: &'static LocalKey<Cell<usize>>) {
    if layout.size() >= LARGE {
        counter.set(counter.get() + 1);
    }
}

// SAFETY: all blocks are the system's, whose methods get what these get.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout, &TAKEN);
        // SAFETY: the obligations are this function's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout, &TAKEN);
        // SAFETY: the obligations are this function's own.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout, &GIVEN_BACK);
        // SAFETY: the obligations are this function's own.
        unsafe { System.dealloc(block, layout) }
    }
}

/// What is counted: all that the pool keeps, and what is a little smaller.
const LARGE: usize = 24 << 10;

/// A buffer that the pool keeps, and its number of floats.
const BYTES: usize = 64 << 10;
const FLOATS: usize = BYTES / 4;

/// How many large buffers this thread took from the system, and gave back to it, while `f` ran.
fn counted<R>(f: impl FnOnce() -> R) -> (usize, usize) {
    let before = (TAKEN.get(), GIVEN_BACK.get());
    drop(f());
    (TAKEN.get() - before.0, GIVEN_BACK.get() - before.1)
}

/// A vector of `FLOATS` ones.
fn ones() -> Vec<f32> {
    vec![1.0; FLOATS]
}

#[test]
fn buffers_of_one_size_are_used_again() {
    let _guard = PoolGuard::new();
    let (first, second) = (ones(), ones());
    let mut addresses = [first.as_ptr(), second.as_ptr()];
    assert_ne!(addresses[0], addresses[1], "both are in use");
    drop(first);
    drop(second);
    let again = (ones(), ones());
    let mut got = [again.0.as_ptr(), again.1.as_ptr()];
    addresses.sort();
    got.sort();
    assert_eq!(got, addresses);
    drop(again);
    assert_eq!(counted(|| vec![1f32; FLOATS + 1]), (1, 0), "another size is another buffer");
    assert_eq!(counted(|| vec![1f64; FLOATS / 2]), (1, 0), "so is another alignment");
}

/// Without a guard, and in threads that have none, buffers go back to the system at once.
#[test]
fn only_threads_that_asked_keep_buffers() {
    assert_eq!(counted(ones), (1, 1));
    let _guard = PoolGuard::new();
    let other = std::thread::spawn(|| [counted(ones), counted(ones)]);
    assert_eq!(other.join().unwrap(), [(1, 1), (1, 1)]);
    assert_eq!([counted(ones), counted(ones)], [(1, 0), (0, 0)]);
}

/// Batches that a loader's thread has made and the loop's frees would otherwise pile up.
#[test]
fn what_another_thread_took_is_given_back() {
    let _guard = PoolGuard::new();
    for _ in 0..2 {
        let theirs = std::thread::spawn(|| [ones(), ones(), ones()]).join().unwrap();
        drop(ones());
        assert_eq!(counted(|| drop(theirs)), (0, 3), "none but ours is kept");
        assert_eq!(counted(ones), (0, 0));
    }
}

#[test]
fn guards_nest_and_the_last_one_gives_everything_back() {
    let outer = PoolGuard::new();
    drop((ones(), ones(), vec![1f64; FLOATS]));
    assert_eq!(counted(|| drop(PoolGuard::new())), (0, 0), "the outer one still keeps");
    assert_eq!(counted(ones), (0, 0));
    assert_eq!(counted(|| drop(outer)), (0, 3));
    assert_eq!(counted(ones), (1, 1));
}

#[test]
fn small_buffers_are_left_to_the_system() {
    let _guard = PoolGuard::new();
    assert_eq!([(); 2].map(|()| counted(|| vec![1u8; LARGE])), [(1, 1); 2]);
}

#[test]
fn zeroed_buffers_are_zero() {
    let _guard = PoolGuard::new();
    let first = ones();
    let address = first.as_ptr();
    drop(first);
    let zeros = vec![0f32; FLOATS];
    assert_eq!(zeros.as_ptr(), address, "it is the buffer that held ones");
    assert!(zeros.iter().all(|x| *x == 0.0));
}

/// A vector that grows keeps its elements, and its last buffer is kept under its last size.
#[test]
fn buffers_can_grow_and_shrink() {
    let _guard = PoolGuard::new();
    let mut growing: Vec<u32> = Vec::new();
    for i in 0..100_000 {
        growing.push(i);
    }
    growing.shrink_to_fit();
    assert!(growing.iter().copied().eq(0..100_000));
    let address = growing.as_ptr();
    drop(growing);
    let same_size = vec![7u32; 100_000];
    assert_eq!(same_size.as_ptr(), address);
}

#[test]
fn alignment_is_respected() {
    let _guard = PoolGuard::new();
    let [line, page] = [64, 4096].map(|align| Layout::from_size_align(BYTES, align).unwrap());
    // SAFETY: both layouts have a size, and each block is freed once, with its own layout.
    let (kept, aligned, again) = unsafe {
        let kept = alloc(line);
        dealloc(kept, line);
        let aligned = alloc(page);
        let again = alloc(line);
        dealloc(aligned, page);
        dealloc(again, line);
        (kept, aligned, again)
    };
    assert!(!aligned.is_null() && (aligned as usize).is_multiple_of(4096));
    assert_eq!(again, kept);
}

/// Where the floats of a tensor lie.
fn address(x: &Tensor) -> *const f32 {
    match &*x.storage_and_layout().0 {
        Storage::Cpu(CpuStorage::F32(values)) => values.as_ptr(),
        _ => panic!("floats in main memory"),
    }
}

/// A buffer is released by the drop of its last owner and no sooner: clones, views and candle's
/// graph are owners.
#[test]
fn a_clone_keeps_its_values() -> Result<()> {
    let _guard = PoolGuard::new();
    let x = Array::random(&[2, FLOATS], 1).tensor(&Device::Cpu)?;
    let y = Activation::Relu.forward(&x)?;
    let (clone, view, at, want) = (y.clone(), y.t()?, address(&y), y.to_vec2::<f32>()?);
    drop(y);
    let other = Activation::Relu.forward(&x.neg()?)?;
    assert_ne!(address(&other), at, "it is in use");
    assert_eq!(clone.to_vec2::<f32>()?, want);
    drop(clone);
    assert_eq!(view.t()?.to_vec2::<f32>()?, want);
    drop((view, other));

    let variable = Var::from_tensor(&x)?;
    let y = Activation::Relu.forward(variable.as_tensor())?;
    let loss = y.sum_all()?;
    drop(y);
    let _other = Activation::Relu.forward(&x.neg()?)?;
    let gradients = loss.backward()?;
    let gradient = gradients.get(&variable).expect("a gradient for the variable");
    assert_eq!(gradient.to_vec2::<f32>()?, x.gt(0f32)?.to_dtype(x.dtype())?.to_vec2::<f32>()?);
    Ok(())
}

/// What a training step does with memory: a batch, each kind of layer in both directions, channels
/// that cross.
fn step(staging: &mut Staging, pixels: &[u8]) -> Result<()> {
    let random = |shape: &[usize]| Array::random(shape, 1).tensor(&Device::Cpu);
    let (shift, labels) = ([[0.0; 3]; 16], [3; 16]);
    let batch = HostBatch { pixels, size: [64, 64], shift: &shift, labels: &labels, windows: &[] };
    let batch = staging.send(&batch)?;

    let x = random(&[16, 32, 12, 12])?;
    let config = Conv2dConfig { padding: Padding::same(1), groups: 2, ..Default::default() };
    let conv = Conv2d::new(random(&[64, 16, 3, 3])?, random(&[64])?, config)?;
    let y = conv.forward_fused(&x, Epilogue::Relu)?;
    let z = Lrn::ALEXNET.forward(&y)?;
    let pool = MaxPool2d::new(2, 1);
    let pooled = pool.forward_with_argmax(&z, Epilogue::None, InputGrad::Plain)?;
    let halves = [scatter(&pooled.output, 0..32)?, scatter(&pooled.output, 32..64)?];
    let joined = all_gather(&halves)?;

    let mode = DropoutMode::Train(DropoutKey { seed: 1, step: 2, layer: 3 });
    let rows = Dropout::new(0.5).forward(&joined.flatten_from(1)?, mode)?;
    let dense = Linear::new(random(&[1024, 64 * 11 * 11])?, random(&[1024])?)?;
    let logits = dense.forward(&rows)?;
    let (_, dlogits) = cross_entropy_with_grad(&logits, &batch.labels)?;

    let drows = dense.backward(&rows, &dlogits, InputGrad::Plain)?.input.expect("asked for");
    let dpooled = drows.reshape(pooled.output.dims())?;
    let dz = pool.backward(&pooled.argmax, &dpooled, (12, 12))?;
    let dy = Lrn::ALEXNET.backward(&y, &dz, InputGrad::ThroughRelu)?.expect("asked for");
    conv.backward(&x, &dy, InputGrad::Plain)?;
    staging.release(batch)
}

#[test]
fn a_second_step_allocates_nothing() -> Result<()> {
    let (mut staging, pixels) = (Staging::new(&Device::Cpu)?, vec![7; 16 * 64 * 64 * 3]);
    let _guard = PoolGuard::new();
    let (first, given_back) = counted(|| step(&mut staging, &pixels).unwrap());
    assert!(first > 10 && given_back == 0, "{first} buffers, {given_back} given back");
    assert_eq!(counted(|| step(&mut staging, &pixels).unwrap()), (0, 0));
    Ok(())
}
