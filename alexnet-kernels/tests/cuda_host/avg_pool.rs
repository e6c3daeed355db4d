//! Average pooling, with and without a ReLU before it.

use alexnet_kernels::launch::{self, AvgPoolSize};
use alexnet_kernels::{AvgPool2d, reference};
use candle_core::Result;

use crate::kernels::run;
use crate::memory::Memory;
use crate::{array, assert_close, exact, for_each_way, masked, tolerance};

#[test]
fn avg_pool() -> Result<()> {
    for_each_way(24, |storage, shifted, random| {
        let (h, w) = (random.size(1, 9), random.size(1, 9));
        let (batch, channels) = (random.size(1, 2), random.pick(&[1, 3, 4, 8, 16]));
        let kernel = random.size(1, 4).min(h).min(w);
        let stride = random.pick(&[1, 2, 2, 3, 6, usize::MAX]);
        let op = AvgPool2d::new(kernel, stride).ceil(random.pick(&[true, false]));
        let (input, output) = ((h, w), op.output_size((h, w))?);
        let size = AvgPoolSize { batch, input, output, channels, kernel, stride };
        let (x, dy) = (random.floats(size.inputs()), random.floats(size.outputs()));
        let exact_x = array(&x, [batch, h, w, channels]);
        let exact_dy = array(&dy, [batch, output.0, output.1, channels]);

        let (of_x, of_dy) = (Memory::of(&x, storage, shifted), Memory::of(&dy, storage, shifted));
        let mut y = Memory::uninit(storage, size.outputs(), shifted);
        run(&[launch::avg_pool(storage, &size, [of_x.span(), y.span()])?], &mut [&mut y]);
        let want = exact(&reference::avg_pool(&op, &exact_x, output));
        assert_close("y", &y, &want, tolerance(storage));

        let want = exact(&reference::avg_pool_gradient(&op, &exact_x, &exact_dy));
        for through_relu in [false, true] {
            let want = if through_relu { masked(want.clone(), &x) } else { want.clone() };
            let mut dx = Memory::uninit(storage, size.inputs(), shifted);
            let spans = [of_dy.span(), of_x.span(), dx.span()];
            let launch = launch::avg_pool_backward(storage, &size, spans, through_relu)?;
            run(&[launch], &mut [&mut dx]);
            assert_close("dx", &dx, &want, tolerance(storage));
        }
        Ok(())
    })
}
