//! As c/work.c, with Rust's standard library: work FOLDER [ARGUMENT...]; work trap

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn yes(is: bool) -> &'static str {
    if is {
        "yes"
    } else {
        "no"
    }
}

fn clocks() {
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(5));
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let slept = begin.elapsed() >= Duration::from_millis(5);
    println!("clocks: past 2020 {}, slept {}", yes(epoch.as_secs() > 1_577_836_800), yes(slept));
}

/// The keys of hash tables are what the standard library draws at random, by thread.
fn randoms() {
    let mut draws = [RandomState::new(), RandomState::new()].map(|state| state.build_hasher().finish());
    draws.sort();
    println!("random: differs {}", yes(draws[0] != draws[1]));
}

fn sorting() {
    let mut state = 1u32;
    let mut numbers: Vec<u32> = (0..10_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        })
        .collect();
    numbers.sort();
    let hash = numbers.iter().fold(2_166_136_261u32, |hash, number| (hash ^ number).wrapping_mul(16_777_619));
    println!("sorted: {} {} {} {hash:08x}", numbers[0], numbers[numbers.len() / 2], numbers[numbers.len() - 1]);
}

fn floats() {
    let sum: f64 = (1..=10_000).map(f64::from).map(|i| i.sqrt() / (i * i)).sum();
    println!("floats: {sum:.12} {:.6}", 1f64.sin() * 1f64.exp());
}

fn files(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder.join("c"))?;
    fs::write(folder.join("b.txt"), "first line\n")?;
    fs::OpenOptions::new().append(true).open(folder.join("b.txt"))?.write_all(b"second line\n")?;
    fs::write(folder.join("c/old.txt"), "0123456789")?;
    fs::rename(folder.join("c/old.txt"), folder.join("a.txt"))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let end = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{end}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    println!("folder: {}", names.join(" "));
    let mut text = [0; 4];
    let mut file = fs::File::open(folder.join("a.txt"))?;
    file.seek(SeekFrom::Start(3))?;
    file.read_exact(&mut text)?;
    let missing = fs::metadata(folder.join("missing")).unwrap_err().kind() == io::ErrorKind::NotFound;
    let size = fs::metadata(folder.join("b.txt"))?.len();
    println!("files: {size} bytes, reads {}, missing {}", String::from_utf8_lossy(&text), yes(missing));
    fs::remove_dir(folder.join("c"))?;
    fs::remove_file(folder.join("a.txt"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().map(String::as_str) == Some("trap") {
        panic!("as asked");
    }
    if arguments.is_empty() {
        std::process::exit(2);
    }
    print!("arguments:");
    for argument in &arguments[1..] {
        print!(" [{argument}]");
    }
    println!("\nGREETING: {}", std::env::var("GREETING").unwrap_or_default());
    clocks();
    randoms();
    sorting();
    floats();
    files(Path::new(&arguments[0])).unwrap();
    eprintln!("to standard error");
    std::process::exit(3);
}
