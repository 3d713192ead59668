// SPDX-License-Identifier: MPL-2.0

//! What can go wrong, and how it is told.

use duplex_neural::{LoadError, backend::abi::Status};

/// A status other than [`Status::OK`], and a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the host does about it.
    pub status: Status,
    /// What a person reads.
    pub sentence: String,
}

/// Refused, or gone wrong.
pub fn failed(sentence: impl Into<String>) -> Failure {
    Failure {
        status: Status::FAILED,
        sentence: sentence.into(),
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        failed(error.to_string())
    }
}

/// What the driver and cuBLAS call what nothing but memory helps against.
const MEMORY: [&str; 3] = [
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CURAND_STATUS_ALLOCATION_FAILED",
];

/// After these nothing works on the device any more, in this process at least.
const LOST: [&str; 14] = [
    "CUDA_ERROR_DEVICE_UNAVAILABLE",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_CONTAINED",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_ASSERT",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_CONTEXT_IS_DESTROYED",
    "CUDA_ERROR_UNKNOWN",
];

impl From<candle_core::Error> for Failure {
    fn from(error: candle_core::Error) -> Self {
        let text = match &error {
            candle_core::Error::WithBacktrace { inner, .. } => inner.to_string(),
            other => other.to_string(),
        };
        let names = |known: &[&str]| known.iter().any(|known| text.contains(known));
        let status = if names(&MEMORY) {
            Status::OUT_OF_MEMORY
        } else if names(&LOST) {
            Status::DEVICE_LOST
        } else {
            Status::FAILED
        };
        let sentence = match status {
            Status::OUT_OF_MEMORY => format!(
                "the device has no memory left ({text}): fewer slots need less, and so do fewer positions or bf16 where a model has them"
            ),
            Status::DEVICE_LOST => format!("the device is lost: {text}"),
            _ => text,
        };
        Failure { status, sentence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_says_decides_what_the_host_does() {
        let says = |text: &str| Failure::from(candle_core::Error::Msg(text.to_owned()));
        let memory = says("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
        assert_eq!(memory.status, Status::OUT_OF_MEMORY);
        assert!(memory.sentence.contains("fewer slots"), "{memory}");
        let lost = says("DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal memory access\")");
        assert_eq!(lost.status, Status::DEVICE_LOST);
        let other = says("shape mismatch in matmul");
        assert_eq!(other, failed("shape mismatch in matmul"));
    }
}
