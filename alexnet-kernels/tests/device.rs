//! Names of devices and precisions, and what is said where there is no such device.

use alexnet_kernels::{
    ComputeDevice, DeviceError, DeviceName, DeviceNames, DeviceOptions, Precision, UnknownDevice,
    UnknownPrecision, is_out_of_memory,
};
use candle_core::DType;

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
    let cpu = ComputeDevice::open(DeviceName::Cpu, DeviceOptions::default());
    assert!(cpu.is_ok_and(|cpu| cpu.device().is_cpu()));
    for precision in [Precision::Tf32, Precision::Bf16] {
        let options = DeviceOptions { precision, ..Default::default() };
        let error = ComputeDevice::open(DeviceName::Cpu, options).expect_err("f32 only");
        assert_eq!(
            error.to_string(),
            format!("precision {precision} needs a GPU: use --device cuda:0, or --precision f32")
        );
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn without_the_feature_a_gpu_is_refused_by_name() {
    let error = ComputeDevice::open(DeviceName::Cuda(3), DeviceOptions::default());
    let error = error.expect_err("built without CUDA").to_string();
    assert!(error.starts_with("cuda:3: ") && error.contains("--features cuda"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn the_cpu_needs_no_opening() {
    let cpu = ComputeDevice::cpu();
    assert_eq!((cpu.activations(), cpu.is_async(), cpu.memory()), (DType::F32, false, None));
    assert_eq!((cpu.model(), cpu.peak_memory()), ("cpu".to_owned(), None));
    assert!(cpu.wait().is_ok());
}

#[test]
fn devices_of_different_kinds_do_not_work_together() {
    let names = [DeviceName::Cpu, DeviceName::Cpu, DeviceName::Cuda(1)];
    let open = |names| ComputeDevice::open_all(names, DeviceOptions::default());
    assert_eq!(
        open(&names).unwrap_err().to_string(),
        "cpu and cuda:1 are of different kinds (cpu, cuda:1): give devices of one kind"
    );
    assert_eq!(open(&names[..2]).unwrap().len(), 2);
}

#[test]
fn memory_that_ran_out_is_known_by_its_name() {
    let says = |text: &str| is_out_of_memory(&candle_core::Error::Msg(text.to_owned()));
    assert!(says(r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#));
    assert!(says("cuDNN: convolving: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"));
    assert!(says("CublasError(CUBLAS_STATUS_ALLOC_FAILED)"));
    assert!(!says("cuDNN: convolving: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"));
    assert!(!says("CUDA_ERROR_ILLEGAL_ADDRESS"));
}

#[test]
fn a_gpu_that_the_build_does_not_serve_gets_advice() {
    let says = |has, built| {
        let (name, gpu) = (DeviceName::Cuda(1), "Some Gpu".to_owned());
        DeviceError::OtherGpu { name, gpu, has, built }.to_string()
    };
    assert_eq!(
        says(75, 80),
        "cuda:1: Some Gpu has compute capability 7.5; GPUs before 8.0 (Ampere) are not supported: \
         use --device cpu"
    );
    assert_eq!(
        says(86, 90),
        "cuda:1: Some Gpu has compute capability 8.6, the kernels were built for 9.0 and newer; \
         build with CUDA_COMPUTE_CAP=86"
    );
    assert_eq!(
        says(120, 90),
        "cuda:1: Some Gpu has compute capability 12.0, and this program was built for 9.0 alone; \
         build it for all GPUs with CUDA_COMPUTE_CAP=80"
    );
}
