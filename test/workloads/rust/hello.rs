//! Says hello, then its arguments and its environment, and exits with 0.

fn main() {
    println!("hello from Rust");
    for (index, argument) in std::env::args().enumerate() {
        println!("arg {index}: {argument}");
    }
    for (name, value) in std::env::vars() {
        println!("env {name}={value}");
    }
}
