//! A device that is open, with what it computes with: the one thing that the layers above ask about devices.

use candle_core::{DType, Device, Result};

use crate::device::{DeviceError, DeviceName, DeviceOptions, Precision};

/// An open device. Clones are the same device.
#[derive(Debug, Clone)]
pub struct Compute {
    name: DeviceName,
    device: Device,
    options: DeviceOptions,
}

/// How much memory a card has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardMemory {
    /// What nobody uses.
    pub free: u64,
    /// All of it.
    pub total: u64,
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
            Device::Cuda(card) => crate::cuda::model(card),
            _ => self.name.to_string(),
        }
    }

    /// A card's memory; `None` for the processor, and where the driver does not say.
    pub fn memory(&self) -> Option<CardMemory> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(card) => crate::cuda::memory(card).ok(),
            _ => None,
        }
    }

    /// The most memory of a card that tensors and workspaces have had so far, in bytes; `None` for the processor.
    pub fn peak_memory(&self) -> Option<u64> {
        match &self.device {
            #[cfg(feature = "cuda")]
            Device::Cuda(card) => crate::cuda::peak_memory(card).ok(),
            _ => None,
        }
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

/// Whether `error` says that a card has too little memory.
pub fn is_out_of_memory(error: &candle_core::Error) -> bool {
    // candle wraps the driver's error, whose type exists only with the feature `cuda`; its name is the driver's own.
    // cuDNN and cuBLAS say ALLOC_FAILED of memory they could not get themselves.
    let text = error.to_string();
    text.contains("OUT_OF_MEMORY") || text.contains("ALLOC_FAILED")
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
        let error =
            alike(&cards, |a, b| a.1 == b.1, |card| (card.0, card.1.to_owned())).unwrap_err();
        assert!(error.to_string().contains("(H200, A100)"), "{error}");
    }

    #[test]
    fn memory_that_ran_out_is_known_by_its_name() {
        let says = |text: &str| is_out_of_memory(&candle_core::Error::Msg(text.to_owned()));
        assert!(says(r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#));
        assert!(says("cuDNN: convolving: CUDNN_STATUS_ALLOC_FAILED"));
        assert!(!says("CUDA_ERROR_ILLEGAL_ADDRESS"));
    }
}
