//! The `wardrobe` program: hands over to [`wardrobe`]'s command line.
fn main() {}
