//! Integration tests: one binary, so that the program is linked once.

mod countdown;
mod template;
mod tokenizer;
