//! `bench-wasmi MODULE [fuel]`: answers each line `KERNEL ROUNDS` by `RESULT NANOSECONDS`.
use std::{env, error::Error, fs, io, time::Instant};
use wasmi::{Config, Engine, Instance, Linker, Module, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("no module")?;
    let fuel = env::args().nth(2).is_some_and(|word| word == "fuel");
    let mut config = Config::default();
    config.consume_fuel(fuel);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, fs::read(path)?)?;
    let mut store = Store::new(&engine, ());
    if fuel {
        store.set_fuel(u64::MAX)?;
    }
    let instance: Instance = Linker::new(&engine).instantiate_and_start(&mut store, &module)?;
    for line in io::stdin().lines() {
        let line = line?;
        let (name, rounds) = line.split_once(' ').ok_or("no rounds")?;
        let function = instance.get_typed_func::<i32, f64>(&store, name)?;
        let begin = Instant::now();
        let result = function.call(&mut store, rounds.parse()?)?;
        println!("{result} {}", begin.elapsed().as_nanos());
    }
    Ok(())
}
