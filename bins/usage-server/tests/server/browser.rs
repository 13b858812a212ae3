//! The pages in Chromium: what only a browser can tell.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{SECOND_KEY, World, for_people};

/// The story is told in JavaScript, since that is what browsers are directed with.
const STORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/browser/story.mjs");
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/browser");

#[test]
fn people_find_their_way_in_a_browser() {
    let world = World::with_usage();
    world.set_budgets();
    world.use_more();
    world.restate();
    let served = world.serve();
    let told = Command::new("node")
        .arg(STORY)
        .env("URL", format!("http://{}", served.address))
        .env("TOKEN", served.token.as_deref().unwrap())
        .env("KEY", SECOND_KEY)
        .env("MODULES", modules())
        .env("SCREENSHOTS", for_people("screenshots"))
        .output()
        .unwrap_or_else(|error| panic!("the browser tests need node (apt-get install nodejs): {error}"));
    let (said, errors) = (
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr),
    );
    assert!(told.status.success(), "{}\n{said}\n{errors}", told.status);
    assert!(
        said.trim_end().ends_with("the story is told to its end"),
        "{said}"
    );
    served.ends();
}

/// The folder with the packages that the story needs, installed as pinned unless they are there; other versions get another
/// folder.
fn modules() -> PathBuf {
    let lock = fs::read(Path::new(PACKAGES).join("package-lock.json")).unwrap();
    let version = lock.iter().fold(0_u64, |hash, byte| {
        hash.wrapping_mul(1_099_511_628_211)
            .wrapping_add(u64::from(*byte))
    });
    let folder = for_people(&format!("browser-{version:016x}"));
    let guard = File::create(folder.join("lock")).unwrap();
    // Held until the file is closed, however this ends.
    guard.lock().unwrap();
    let modules = folder.join("node_modules");
    let complete = folder.join("complete");
    if complete.is_file() {
        return modules;
    }
    for name in ["package.json", "package-lock.json"] {
        fs::copy(Path::new(PACKAGES).join(name), folder.join(name)).unwrap();
    }
    let installed = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .unwrap_or_else(|error| panic!("the browser tests need npm (apt-get install npm): {error}"));
    assert!(
        installed.status.success(),
        "npm ci: {}{}",
        String::from_utf8_lossy(&installed.stdout),
        String::from_utf8_lossy(&installed.stderr)
    );
    fs::write(complete, "").unwrap();
    modules
}
