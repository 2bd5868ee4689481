//! The `wardrobe` program: hands over to [`wardrobe`]'s command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    wardrobe::cli::main()
}
