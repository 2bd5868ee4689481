//! The `wardrobe` program: hands over to the library's command line.

use std::process::ExitCode;

/// A step allocates and frees large buffers; the system's allocator returns each to the kernel and
/// pays for fresh zeroed pages the next time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wardrobe::cli::main()
}
