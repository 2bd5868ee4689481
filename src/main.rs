//! The `wardrobe` program: hands over to the library's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    wardrobe::cli::main()
}
