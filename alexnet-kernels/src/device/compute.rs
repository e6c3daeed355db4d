//! An open device and its precision: all that the layers above need to know of devices.

use candle_core::{DType, Device};

use super::choice::Choice;
use super::error::DeviceError;
use super::memory::GpuMemory;
use super::name::DeviceName;
use super::precision::{DeviceOptions, Precision};

/// An open device and how it computes. Clones share the device.
///
/// ```
/// use alexnet_kernels::{ComputeDevice, DeviceName, DeviceOptions};
///
/// let cpu = ComputeDevice::open(DeviceName::Cpu, DeviceOptions::default()).unwrap();
/// assert!(cpu.device().is_cpu() && !cpu.is_async());
/// assert_eq!(cpu.model(), "cpu");
/// ```
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    name: DeviceName,
    device: Device,
    options: DeviceOptions,
}

impl ComputeDevice {
    /// The CPU, in 32-bit floats.
    pub fn cpu() -> Self {
        let options = DeviceOptions::default();
        Self { name: DeviceName::Cpu, device: Device::Cpu, options }
    }

    /// Opens a device. Open a GPU once and clone: candle takes each opening for a device of its
    /// own.
    ///
    /// # Errors
    ///
    /// A build without CUDA, no driver, no such GPU, one that is too old, a library that is
    /// missing; a precision that the device does not have.
    pub fn open(name: DeviceName, options: DeviceOptions) -> Result<Self, DeviceError> {
        let device = match name {
            DeviceName::Cpu if options.precision == Precision::F32 => Device::Cpu,
            DeviceName::Cpu => return Err(DeviceError::NotOnCpu(options.precision)),
            #[cfg(feature = "cuda")]
            DeviceName::Cuda(ordinal) => crate::cuda::driver::open(name, ordinal, options)?,
            #[cfg(not(feature = "cuda"))]
            DeviceName::Cuda(_) => return Err(DeviceError::NotBuilt(name)),
        };
        Ok(Self { name, device, options })
    }

    /// Opens devices for a network whose towers are on devices of their own.
    ///
    /// # Errors
    ///
    /// Those of [`ComputeDevice::open`]; devices of different models, which would wait for the
    /// slowest.
    pub fn open_all(
        names: &[DeviceName],
        options: DeviceOptions,
    ) -> Result<Vec<Self>, DeviceError> {
        let kind = |name: DeviceName| std::mem::discriminant(&name);
        alike(names, |&a, &b| kind(a) == kind(b), |name| (*name, name.to_string()))?;
        // A GPU that is named twice is opened twice and gets two streams, as two GPUs would.
        let all = names.iter().map(|name| Self::open(*name, options));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        alike(&all, |a, b| a.model() == b.model(), |one| (one.name, one.model()))?;
        Ok(all)
    }

    /// The name it was opened by.
    pub fn name(&self) -> DeviceName {
        self.name
    }

    /// The device as candle knows it.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The options it was opened with.
    pub fn options(&self) -> DeviceOptions {
        self.options
    }

    /// The dtype of activations, their gradients, and the weights that matmuls and convolutions
    /// read. Master weights, biases, losses and all sums are f32 at any precision.
    pub fn activations(&self) -> DType {
        match self.options.precision {
            Precision::F32 | Precision::Tf32 => DType::F32,
            Precision::Bf16 => DType::BF16,
        }
    }

    /// Whether operations are queued and return before they are done, as on a GPU. Then reading a
    /// result waits.
    pub fn is_async(&self) -> bool {
        !self.device.is_cpu()
    }

    /// Waits until all queued operations are done.
    ///
    /// # Errors
    ///
    /// What went wrong in one of them.
    pub fn wait(&self) -> candle_core::Result<()> {
        self.device.synchronize()
    }

    /// Waits, runs `run` and waits again, and lets a profiler look at that alone, if one runs this
    /// program and was told to wait for it (`ncu --profile-from-start off`).
    ///
    /// # Errors
    ///
    /// The CPU, which has no such profiler; those of `run` and of the device.
    pub fn profile<T>(
        &self,
        run: impl FnOnce() -> candle_core::Result<T>,
    ) -> candle_core::Result<T> {
        self.wait()?;
        self.profiler(true)?;
        let result = run().and_then(|result| self.wait().map(|()| result));
        self.profiler(false)?;
        result
    }

    /// Lets a profiler look from now on, or no longer.
    #[cfg_attr(not(feature = "cuda"), expect(unused_variables))] // there is no GPU to look at
    fn profiler(&self, look: bool) -> candle_core::Result<()> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::profiler::look(gpu, look),
            _ => candle_core::bail!("{}: only a GPU has a profiler", self.name),
        }
    }

    /// The name that the maker gave the device; `cpu` for the CPU.
    pub fn model(&self) -> String {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::info::model(gpu),
            _ => self.name.to_string(),
        }
    }

    /// The memory of a GPU; `None` for the CPU, and where the driver does not say.
    pub fn memory(&self) -> Option<GpuMemory> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::info::memory(gpu).ok(),
            _ => None,
        }
    }

    /// How a GPU runs the convolutions that it has run so far; none for the CPU.
    pub fn choices(&self) -> Vec<Choice> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::context::choices(gpu),
            _ => Vec::new(),
        }
    }

    /// The most bytes of a GPU's memory that tensors and workspaces have had so far; `None` for the
    /// CPU.
    pub fn peak_memory(&self) -> Option<u64> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::info::peak_memory(gpu).ok(),
            _ => None,
        }
    }
}

/// Refuses a list in which one is not like the first; `called` gives its name and its model.
fn alike<T>(
    all: &[T],
    same: impl Fn(&T, &T) -> bool,
    called: impl Fn(&T) -> (DeviceName, String),
) -> Result<(), DeviceError> {
    let Some(first) = all.first() else { return Ok(()) };
    match all.iter().find(|other| !same(first, other)) {
        None => Ok(()),
        Some(other) => {
            let ((first, a), (second, b)) = (called(first), called(other));
            Err(DeviceError::DifferentKinds { first, second, models: format!("{a}, {b}") })
        }
    }
}
