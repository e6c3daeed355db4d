//! Names of devices and precisions, and what is said where there is no such device.

use alexnet_kernels::{
    DeviceName, DeviceNames, DeviceOptions, Precision, UnknownDevice, UnknownPrecision,
};

#[test]
fn names() {
    assert_eq!("cpu".parse(), Ok(DeviceName::Cpu));
    assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
    assert_eq!("cuda:12".parse(), Ok(DeviceName::Cuda(12)));
    for name in ["", "CPU", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:1:2", "cpu:0"] {
        let error = name.parse::<DeviceName>().expect_err(name);
        assert_eq!(error, UnknownDevice(name.to_owned()));
        assert!(error.to_string().contains(&format!("`{name}`: expected cpu")), "{error}");
    }
    let huge = format!("cuda:{}", "9".repeat(30));
    assert_eq!(huge.parse::<DeviceName>(), Err(UnknownDevice(huge)));
    for name in ["cpu", "cuda:0", "cuda:7"] {
        assert_eq!(name.parse::<DeviceName>().map(|name| name.to_string()), Ok(name.to_owned()));
    }
}

#[test]
fn lists_of_devices() -> Result<(), UnknownDevice> {
    for names in ["cpu", "cpu,cpu", "cuda:0", "cuda:0,cuda:1", "cuda:3,cuda:3,cuda:1"] {
        let list: DeviceNames = names.parse()?;
        assert_eq!(list.to_string(), names);
        assert_eq!(list.names().len(), names.split(',').count());
    }
    for (names, wrong) in
        [("", ""), ("cuda:0,", ""), ("cuda:0, cuda:1", " cuda:1"), ("cpu;cpu", "cpu;cpu")]
    {
        assert_eq!(names.parse::<DeviceNames>(), Err(UnknownDevice(wrong.to_owned())));
    }
    Ok(())
}

#[test]
fn precisions() {
    for (name, precision) in
        [("f32", Precision::F32), ("tf32", Precision::Tf32), ("bf16", Precision::Bf16)]
    {
        assert_eq!(name.parse(), Ok(precision));
        assert_eq!(precision.to_string(), name);
    }
    assert_eq!("fp16".parse::<Precision>(), Err(UnknownPrecision("fp16".to_owned())));
}

#[test]
fn the_cpu_computes_in_f32_only() {
    assert!(DeviceName::Cpu.open(DeviceOptions::default()).is_ok_and(|device| device.is_cpu()));
    for precision in [Precision::Tf32, Precision::Bf16] {
        let options = DeviceOptions { precision, ..Default::default() };
        let error = DeviceName::Cpu.open(options).map(|_| ()).expect_err("f32 only").to_string();
        assert_eq!(
            error,
            format!("precision {precision} needs a GPU: use --device cuda:0, or --precision f32")
        );
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn without_the_feature_a_gpu_is_refused_by_name() {
    let error = DeviceName::Cuda(3).open(DeviceOptions::default()).map(|_| ());
    let error = error.expect_err("built without CUDA").to_string();
    assert!(error.starts_with("cuda:3: ") && error.contains("--features cuda"), "{error}");
    assert_eq!(error.lines().count(), 1);
}
