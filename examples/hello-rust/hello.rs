//! Greets, shows its arguments, and exits with 0.

use std::env;

fn main() {
    println!("Hello, {}! I am Rust.", env::var("GREET").unwrap_or_default());
    for (index, argument) in env::args().skip(1).enumerate() {
        println!("argument {}: {argument}", index + 1);
    }
}
