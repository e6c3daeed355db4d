//! Batches arrive on a device as they were sent.

mod common;

use alexnet_kernels::{DeviceBatch, HostBatch, Staging, Window};
use candle_core::{Device, Result};
use common::refusal;

const CROP: usize = 2 * 3 * 3; // bytes of a crop, 2 rows of 3 pixels

/// A batch of `b` crops as a loader holds it.
struct Loaded {
    pixels: Vec<u8>,
    shift: Vec<[f32; 3]>,
    labels: Vec<u32>,
    windows: Vec<Window>,
}

impl Loaded {
    fn new(b: usize, first: u8) -> Self {
        let number = |i: usize| i as u32 + u32::from(first);
        Self {
            pixels: (0..b * CROP).map(|i| number(i) as u8).collect(),
            shift: (0..b).map(|i| [number(i) as f32, 0.5, -1.0]).collect(),
            labels: (0..b).map(number).collect(),
            windows: (0..b).map(|i| Window { top: i, left: 2 * i, flip: i == 1 }).collect(),
        }
    }

    fn batch(&self) -> HostBatch<'_> {
        let Self { pixels, shift, labels, windows } = self;
        HostBatch { pixels, size: [2, 3], shift, labels, windows }
    }

    fn assert_same(&self, sent: &DeviceBatch) -> Result<()> {
        let b = self.labels.len();
        assert_eq!(sent.pixels.dims(), [b, 2, 3, 3]);
        assert_eq!(sent.pixels.flatten_all()?.to_vec1::<u8>()?, self.pixels);
        assert_eq!(sent.shift.to_vec2::<f32>()?, self.shift);
        assert_eq!(sent.labels.to_vec1::<u32>()?, self.labels);
        assert_eq!(sent.windows.list(), self.windows);
        Ok(())
    }
}

/// Two batches at a time; those after them, of other sizes, come in the same two places.
fn batches_arrive(device: &Device) -> Result<()> {
    let mut staging = Staging::new(device)?;
    let mut before = None;
    for (b, first) in [(3, 0), (3, 50), (1, 100), (4, 150), (2, 200)] {
        let loaded = Loaded::new(b, first);
        let sent = staging.send(&loaded.batch())?;
        if let Some((loaded, sent)) = before.replace((loaded, sent)) {
            Loaded::assert_same(&loaded, &sent)?;
            staging.release(sent)?;
        }
    }
    let (loaded, sent) = before.expect("batches were sent");
    loaded.assert_same(&sent)
}

#[test]
fn batches_arrive_on_cpu() -> Result<()> {
    batches_arrive(&Device::Cpu)
}

#[cfg(feature = "cuda")]
#[test]
fn batches_arrive_on_cuda() -> Result<()> {
    let gpu = common::gpu()?;
    batches_arrive(&gpu)?;
    let (mut staging, loaded) = (Staging::new(&gpu)?, Loaded::new(1, 0));
    let _two = [staging.send(&loaded.batch())?, staging.send(&loaded.batch())?];
    assert!(refusal(staging.send(&loaded.batch())).contains("release one"));
    Ok(())
}

#[test]
fn what_is_no_batch_is_refused() -> Result<()> {
    let (mut staging, loaded) = (Staging::new(&Device::Cpu)?, Loaded::new(2, 0));
    let batch = loaded.batch();
    for wrong in [
        HostBatch { pixels: &loaded.pixels[1..], ..batch },
        HostBatch { size: [3, 3], ..batch },
        HostBatch { shift: &loaded.shift[1..], ..batch },
        HostBatch { labels: &loaded.labels[1..], ..batch },
        HostBatch { windows: &loaded.windows[1..], ..batch },
        HostBatch { pixels: &[], shift: &[], labels: &[], windows: &[], ..batch },
    ] {
        assert!(refusal(staging.send(&wrong)).contains("are no batch of"), "{wrong:?}");
    }
    assert!(staging.send(&HostBatch { windows: &[], ..batch }).is_ok());
    Ok(())
}
