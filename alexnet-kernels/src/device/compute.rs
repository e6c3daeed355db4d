//! A device that is open, with what it computes with: the one thing that the layers above ask about devices.

use candle_core::{DType, Device, Result};

use super::error::DeviceError;
use super::memory::CardMemory;
use super::name::DeviceName;
use super::precision::{DeviceOptions, Precision};

/// An open device. Clones are the same device.
#[derive(Debug, Clone)]
pub struct Compute {
    name: DeviceName,
    device: Device,
    options: DeviceOptions,
}

impl Compute {
    /// The processor, in 32-bit floats.
    pub fn cpu() -> Self {
        let options = DeviceOptions::default();
        Self { name: DeviceName::Cpu, device: Device::Cpu, options }
    }

    /// Opens a device. Open a card once and clone: each opening is a device of its own to candle.
    ///
    /// # Errors
    ///
    /// Those of [`DeviceName::open`].
    pub fn open(
        name: DeviceName,
        options: DeviceOptions,
    ) -> std::result::Result<Self, DeviceError> {
        Ok(Self { name, device: name.open(options)?, options })
    }

    /// Opens devices that are to work together, one after another.
    ///
    /// # Errors
    ///
    /// Those of [`Compute::open`]; devices of different kinds, which would wait for the slowest.
    pub fn open_all(
        names: &[DeviceName],
        options: DeviceOptions,
    ) -> std::result::Result<Vec<Self>, DeviceError> {
        let kind = |name: DeviceName| std::mem::discriminant(&name);
        alike(names, |&a, &b| kind(a) == kind(b), |name| (*name, name.to_string()))?;
        // A card that stands in for two is opened twice, with a stream each time: then nothing else is different.
        let open = |name: &DeviceName| Self::open(*name, options);
        let all = names.iter().map(open).collect::<std::result::Result<Vec<_>, _>>()?;
        alike(&all, |a, b| a.model() == b.model(), |one| (one.name, one.model()))?;
        Ok(all)
    }

    /// What it was opened as.
    pub fn name(&self) -> DeviceName {
        self.name
    }

    /// candle's handle of it.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What it was opened for.
    pub fn options(&self) -> DeviceOptions {
        self.options
    }

    /// What activations and their gradients are stored as. Weights that updates add to, biases, losses and all sums
    /// are f32 whatever this is.
    pub fn activations(&self) -> DType {
        if self.device.is_cpu() { DType::F32 } else { self.weights() }
    }

    /// What the weights that products read are stored as, where [`read_as`](crate::read_as) does not say f32.
    pub fn weights(&self) -> DType {
        match self.options.precision {
            Precision::F32 | Precision::Tf32 => DType::F32,
            Precision::Bf16 => DType::BF16,
        }
    }

    /// Whether work is only put into a queue by the calls that ask for it, so that reading a result waits.
    pub fn queues(&self) -> bool {
        !self.device.is_cpu()
    }

    /// Waits until all that was asked for is done.
    ///
    /// # Errors
    ///
    /// What went wrong meanwhile.
    pub fn wait(&self) -> Result<()> {
        self.device.synchronize()
    }

    /// What the device is called by its maker; the processor is `cpu`.
    pub fn model(&self) -> String {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::info::model(gpu),
            _ => self.name.to_string(),
        }
    }

    /// A card's memory; `None` for the processor, and where the driver does not say.
    pub fn memory(&self) -> Option<CardMemory> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::info::memory(gpu).ok(),
            _ => None,
        }
    }

    /// The most memory of a card that tensors and workspaces have had so far, in bytes; `None` for the processor.
    pub fn peak_memory(&self) -> Option<u64> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => crate::cuda::info::peak_memory(gpu).ok(),
            _ => None,
        }
    }
}

impl DeviceName {
    /// The device, ready to compute. Open a card once and clone: each opening is a device of its own to candle.
    ///
    /// # Errors
    ///
    /// A build without CUDA, no driver, no such gpu, one too old, a library that is missing; a precision that the
    /// device does not have.
    pub fn open(self, options: DeviceOptions) -> std::result::Result<Device, DeviceError> {
        match self {
            Self::Cpu => on_cpu(options.precision),
            #[cfg(feature = "cuda")]
            Self::Cuda(ordinal) => crate::cuda::driver::open(self, ordinal, options),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => Err(DeviceError::NotBuilt(self)),
        }
    }
}

/// The processor, for a precision that it has.
fn on_cpu(precision: Precision) -> std::result::Result<Device, DeviceError> {
    match precision {
        Precision::F32 => Ok(Device::Cpu),
        Precision::Tf32 | Precision::Bf16 => Err(DeviceError::NotOnCpu(precision)),
    }
}

/// Refuses a list with one that is not like the first.
fn alike<T>(
    all: &[T],
    same: impl Fn(&T, &T) -> bool,
    called: impl Fn(&T) -> (DeviceName, String),
) -> std::result::Result<(), DeviceError> {
    let Some(first) = all.first() else { return Ok(()) };
    match all.iter().find(|other| !same(first, other)) {
        None => Ok(()),
        Some(other) => {
            let ((first, a), (second, b)) = (called(first), called(other));
            Err(DeviceError::DifferentKinds { first, second, models: format!("{a}, {b}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_needs_no_opening() {
        let cpu = Compute::cpu();
        assert_eq!((cpu.activations(), cpu.queues(), cpu.memory()), (DType::F32, false, None));
        assert_eq!((cpu.model(), cpu.peak_memory()), ("cpu".to_owned(), None));
        assert!(cpu.wait().is_ok());
    }

    #[test]
    fn devices_of_different_kinds_do_not_work_together() {
        let names = [DeviceName::Cpu, DeviceName::Cpu, DeviceName::Cuda(1)];
        let error = Compute::open_all(&names, DeviceOptions::default()).unwrap_err().to_string();
        assert_eq!(
            error,
            "cpu and cuda:1 are of different kinds (cpu, cuda:1): give devices of one kind"
        );
        assert_eq!(Compute::open_all(&names[..2], DeviceOptions::default()).unwrap().len(), 2);
        let cards = [(DeviceName::Cuda(0), "H200"), (DeviceName::Cuda(1), "A100")];
        let error = alike(&cards, |a, b| a.1 == b.1, |gpu| (gpu.0, gpu.1.to_owned())).unwrap_err();
        assert!(error.to_string().contains("(H200, A100)"), "{error}");
    }
}
