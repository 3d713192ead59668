// SPDX-License-Identifier: MPL-2.0

//! The one thread that all requests of the process live in.

use std::sync::OnceLock;

use tokio::runtime::Runtime;

/// `Err` where the system has no thread for it.
pub fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            // For names of hosts.
            .max_blocking_threads(4)
            .thread_name("chatllm")
            .on_thread_start(without_sigpipe)
            .enable_all()
            .build()
            .map_err(|error| format!("no thread for connections: {error}"))
    });
    runtime.as_ref().map_err(Clone::clone)
}

/// Lets writes to a connection that is gone fail in this thread, instead of ending a process that does not ignore SIGPIPE.
fn without_sigpipe() {
    let mut pipe = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is made by sigemptyset before anything else uses it; the mask is this thread's own.
    unsafe {
        libc::sigemptyset(pipe.as_mut_ptr());
        libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, pipe.as_ptr(), std::ptr::null_mut());
    }
}
