//! `wardrobe eval list`: the suites that come with the program.

use anyhow::Result;

/// Prints a few lines for each suite.
#[expect(clippy::print_stdout, reason = "the list is the command's result")]
pub(super) fn run() -> Result<()> {
    for suite in eval::bundled_suites()? {
        let prompts: Vec<&str> = suite.prompts.keys().map(String::as_str).collect();
        println!("{}: {}", suite.name, suite.about);
        println!("    prompts {} (default {})", prompts.join(", "), suite.prompt);
        let data = match suite.data.files.is_empty() {
            true => "data from --data FILE".to_owned(),
            false => format!("bundled data {}", suite.data.files.join(", ")),
        };
        println!("    {data}");
    }
    Ok(())
}
