//! Writes random modules for test/fuzz to its output: each behind its length, 32 bits with the least byte first. The same
//! seed gives the same module always.
//!
//! Usage: `fuzz-modules SEED COUNT`

use std::env;
use std::error::Error;
use std::io::{BufWriter, Write, stdout};

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

/// Loops that are gone round and functions that are called, until a module traps: the last global holds what is left.
const FUEL: u32 = 1000;
const PAGE: u64 = 65_536;
const MAX_PAGES: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1).map(|arg| arg.parse::<u64>());
    let (Some(first), Some(count)) = (args.next().transpose()?, args.next().transpose()?) else {
        return Err("usage: fuzz-modules SEED COUNT".into());
    };
    let mut out = BufWriter::new(stdout().lock());
    for seed in first..first + count {
        let module = module(seed)?;
        out.write_all(&u32::try_from(module.len())?.to_le_bytes())?;
        out.write_all(&module)?;
    }
    out.flush()?;
    Ok(())
}

fn module(seed: u64) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut random = SplitMix(seed);
    let config = config(&mut random);
    let length = usize::try_from(2000 + random.next() % 14_000)?;
    let bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut module = Module::new(config, &mut Unstructured::new(&bytes))?;
    module.ensure_termination(FUEL)?;
    Ok(module.to_bytes())
}

/// What the interpreter runs, in sizes that take no time; each feature is left out now and then.
fn config(random: &mut SplitMix) -> Config {
    Config {
        bulk_memory_enabled: true,
        canonicalize_nans: true,
        exceptions_enabled: random.mostly(),
        export_everything: true,
        extended_const_enabled: random.mostly(),
        allow_floats: random.mostly(),
        gc_enabled: false,
        compact_imports_enabled: false,
        max_data_segments: 6,
        max_element_segments: 6,
        max_elements: 20,
        max_funcs: 10,
        min_funcs: 3,
        max_globals: 10,
        max_imports: 0,
        max_instructions: 30 + usize::try_from(random.next() % 270).unwrap_or(0),
        max_memories: 3,
        max_memory32_bytes: MAX_PAGES * PAGE,
        max_memory64_bytes: u128::from(MAX_PAGES * PAGE),
        max_nesting_depth: 8,
        max_table_elements: 100,
        max_tables: 3,
        max_tags: 5,
        max_types: 20,
        memory64_enabled: random.mostly(),
        memory_max_size_required: true,
        multi_value_enabled: random.mostly(),
        reference_types_enabled: random.mostly(),
        relaxed_simd_enabled: random.mostly(),
        simd_enabled: random.mostly(),
        table_max_size_required: true,
        tail_call_enabled: random.mostly(),
        // Their modules may wait for ever: those are left out by who runs them.
        threads_enabled: !random.mostly(),
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// Numbers that look random (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn mostly(&mut self) -> bool {
        self.next() % 5 != 0
    }
}
