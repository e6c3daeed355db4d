//! Biases, their gradient, and the update.

use alexnet_kernels::launch::{self, ColumnSums, Storage};
use alexnet_kernels::{Sgd, reference};
use candle_core::Result;

use crate::kernels::run;
use crate::memory::Memory;
use crate::{assert_close, exact, for_each_way, plain, tolerance};

#[test]
fn bias() -> Result<()> {
    for_each_way(12, |storage, shifted, random| {
        let (rows, channels) = (random.size(1, 40), random.pick(&[1, 3, 8, 20, 96, 257]));
        let (y, bias) = (random.floats(rows * channels), random.floats(channels));
        let of = Memory::of(&bias, Storage::F32, shifted);
        for relu in [false, true] {
            let mut got = Memory::of(&y, storage, shifted);
            run(&[launch::add_bias(storage, got.span(), of.span(), relu)?], &mut [&mut got]);
            let sums = y.iter().enumerate().map(|(i, y)| y + bias[i % channels]);
            let want: Vec<f32> = sums.map(|y| if relu { y.max(0.0) } else { y }).collect();
            assert_close("y + b", &got, &want, tolerance(storage));
        }
        Ok(())
    })
}

/// One part and many, columns that fill a block and that do not.
#[test]
fn column_sums() -> Result<()> {
    for_each_way(10, |storage, shifted, random| {
        let (rows, channels) =
            (random.pick(&[1, 7, 64, 65, 500, 3000]), random.pick(&[1, 3, 8, 96, 300]));
        let x = random.floats(rows * channels);
        let mut want = vec![0f64; channels];
        for (i, x) in x.iter().enumerate() {
            want[i % channels] += f64::from(*x);
        }
        let want: Vec<f32> = want.iter().map(|&x| x as f32).collect();
        let x = Memory::of(&x, storage, shifted);
        let plan = ColumnSums::new(storage, x.span(), (rows, channels))?;
        assert_eq!(plan.scratch() > 0, rows > 64);
        let mut parts = Memory::uninit(Storage::F32, plan.scratch(), shifted);
        let mut sums = Memory::uninit(Storage::F32, channels, shifted);
        let launches = plan.launches(x.span(), parts.span(), sums.span())?;
        run(&launches, &mut [&mut parts, &mut sums]);
        assert_close("sums", &sums, &want, 1e-5);
        Ok(())
    })
}

#[test]
fn sgd() -> Result<()> {
    for_each_way(10, |storage, shifted, random| {
        let n = random.pick(&[1, 4, 7, 64, 1030, 4096]);
        let rule = Sgd { rate: 0.1, momentum: 0.9, decay: 0.02 };
        let (state, gradient) = (random.floats(2 * n), random.floats(n));
        let want = exact(&reference::sgd(rule, &plain(&state, &[2, n]), &plain(&gradient, &[n])));
        let gradient = Memory::of(&gradient, storage, shifted);

        let mut got = Memory::of(&state, Storage::F32, shifted);
        let launch = launch::sgd(storage, got.span(), gradient.span(), None, rule)?;
        run(&[launch.expect("the rate is not 0")], &mut [&mut got]);
        assert_close("state", &got, &want, 1e-6);

        let mut got = Memory::of(&state, Storage::F32, shifted);
        let mut copy = Memory::uninit(Storage::Bf16, n, shifted);
        let launch = launch::sgd(storage, got.span(), gradient.span(), Some(copy.span()), rule)?;
        run(&[launch.expect("the rate is not 0")], &mut [&mut got, &mut copy]);
        assert_close("state", &got, &want, 1e-6);
        let rounded = Memory::of(&got.floats()[..n], Storage::Bf16, false).floats();
        assert_close("copy", &copy, &rounded, 0.0);

        let still = Sgd { rate: 0.0, ..rule };
        assert_eq!(launch::sgd(storage, got.span(), gradient.span(), None, still)?, None);
        Ok(())
    })
}
