//! The `wardrobe` program: hands over to the library's command line.

use std::process::ExitCode;

/// A step allocates and frees large buffers; the system's allocator returns each to the kernel and
/// pays for fresh zeroed pages the next time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // candle adds large tensors on a pool of its own, whose idle threads spin and so take the cores
    // from our kernels' threads; on two cores training runs a third faster without it.
    kernels::startup::set_default_variable("CANDLE_NUM_THREADS", "1");
    wardrobe::cli::main()
}
