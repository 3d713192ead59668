// SPDX-License-Identifier: MPL-2.0

//! The device that a model is on.

use candle_core::Device;
use duplex_neural::{
    backend::abi::{DEVICE_CPU, Status},
    memory::Size,
};

use crate::failure::{Failure, failed};

/// Opens a device by its ordinal; its name comes with it.
pub fn open(ordinal: i32) -> Result<(Device, String), Failure> {
    match usize::try_from(ordinal) {
        Ok(ordinal) => open_cuda(ordinal),
        Err(_) if ordinal == DEVICE_CPU => Ok((Device::Cpu, "the CPU".into())),
        Err(_) => Err(failed(format!("there is no device {ordinal}"))),
    }
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(ordinal: usize) -> Result<(Device, String), Failure> {
    Err(failed(format!(
        "device {ordinal} cannot be used: this library was built without CUDA (make cuda builds it with it)"
    )))
}

/// On a stream of our own: the default one belongs to a thread, and a model is called by several. As nothing else uses it, work
/// needs no events to be in order.
#[cfg(feature = "cuda")]
fn open_cuda(ordinal: usize) -> Result<(Device, String), Failure> {
    let at = |error: candle_core::Error| {
        let failure = Failure::from(error);
        Failure {
            sentence: format!("device {ordinal} cannot be used: {}", failure.sentence),
            ..failure
        }
    };
    let device = Device::new_cuda_with_stream(ordinal).map_err(at)?;
    let mut name = String::from("an NVIDIA card");
    if let Device::Cuda(cuda) = &device {
        // SAFETY: all work of this device is put on its one stream.
        unsafe { cuda.disable_event_tracking() };
        if let Ok(known) = cuda.cuda_stream().context().name() {
            name = known;
        }
        keep_memory(cuda, u64::MAX).map_err(|error| at(candle_core::Error::wrap(error)))?;
    }
    Ok((device, name))
}

/// How many bytes the driver keeps for this process where they are free. Without that it takes all of them back at the end of each
/// step, and hands them out anew in the next, which takes longer than the step.
#[cfg(feature = "cuda")]
fn keep_memory(
    cuda: &candle_core::CudaDevice,
    mut bytes: u64,
) -> Result<(), candle_core::cuda_backend::cudarc::driver::DriverError> {
    use candle_core::cuda_backend::cudarc::driver::{result, sys};

    let stream = cuda.cuda_stream();
    let context = stream.context();
    context.bind_to_thread()?;
    // SAFETY: the device is the context's, and the attribute is a number of 64 bits.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device())?;
        let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        result::mem_pool::set_attribute(pool, threshold, (&raw mut bytes).cast())
    }
}

/// Frees what lies on a device, and what the driver keeps of its memory.
pub fn close<T>(device: Device, lies_there: T) {
    drop(lies_there);
    give_back(&device);
}

/// Gives back what the driver keeps for this process, as far as nobody uses it.
fn give_back(device: &Device) {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(cuda) = device {
        use candle_core::cuda_backend::cudarc::driver::result;

        let stream = cuda.cuda_stream();
        let context = stream.context();
        // Frees wait for the stream's work. A device that is lost refuses, and has nothing to give.
        if stream.synchronize().is_err() {
            return;
        }
        // SAFETY: the device is the context's.
        let pool = unsafe { result::device::get_default_mem_pool(context.cu_device()) };
        if let Ok(pool) = pool {
            // SAFETY: the pool is the device's own.
            let _ = unsafe { result::mem_pool::trim_to(pool, 0) };
        }
    }
    let _on_the_cpu = device;
}

/// Refuses what the device has no memory for, before anything is allocated.
pub fn has_room(device: &Device, bytes: u128) -> Result<(), Failure> {
    let mebibytes = |bytes: u128| bytes >> 20;
    let refused = |what: String| Failure {
        status: Status::OUT_OF_MEMORY,
        sentence: format!(
            "the slots would take {} MiB, and {what}: fewer slots need less, and so do fewer positions or bf16 where a model has them",
            mebibytes(bytes)
        ),
    };
    match free(device) {
        Some(free) if u128::from(free) < bytes => Err(refused(format!(
            "the device has {} MiB free",
            mebibytes(free.into())
        ))),
        Some(_) => Ok(()),
        None => {
            let size = Size(u64::try_from(bytes).unwrap_or(u64::MAX));
            size.is_there()
                .then_some(())
                .ok_or_else(|| refused("this machine has not that much memory".into()))
        }
    }
}

/// Bytes that a card has free.
fn free(device: &Device) -> Option<u64> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(cuda) = device {
        cuda.cuda_stream().context().bind_to_thread().ok()?;
        let (free, _) = candle_core::cuda_backend::cudarc::driver::result::mem_get_info().ok()?;
        return Some(free as u64);
    }
    let _on_the_cpu = device;
    None
}

/// While it is held, what describes a tensor's shape to a kernel is copied to the device once and kept, by its contents. Nothing else
/// may be copied to the device meanwhile: that would be kept, too.
#[cfg(feature = "cuda")]
pub fn keep_shapes(device: &Device) -> Option<impl Drop + use<>> {
    match device {
        Device::Cuda(cuda) => Some(cuda.enable_cuda_graph_htod_cache()),
        _ => None,
    }
}

/// There are no kernels.
#[cfg(not(feature = "cuda"))]
pub fn keep_shapes(_device: &Device) -> Option<()> {
    None
}
