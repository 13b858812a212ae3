//! The crate as another service sees it: built outside this workspace, with nothing but its public interface.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn another_service_can_sum_a_day_and_print_it() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let theirs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("consumer");

    // It is built from a copy with the workspace's lock file beside it: the same versions, already downloaded for this
    // very test, so neither a second lock file to keep current nor a network is needed.
    let manifest = fs::read_to_string(ours.join("tests/consumer/Cargo.toml")).unwrap();
    let path = format!("path = {:?}", ours.display().to_string());
    write(
        &theirs.join("Cargo.toml"),
        manifest.replace("path = \"../..\"", &path).as_bytes(),
    );
    for (from, to) in [
        ("tests/consumer/src/main.rs", "src/main.rs"),
        ("../../Cargo.lock", "Cargo.lock"),
    ] {
        write(&theirs.join(to), &fs::read(ours.join(from)).unwrap());
    }

    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--manifest-path"])
        .arg(theirs.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(theirs.join("target"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    insta::assert_json_snapshot!(printed);
}

/// Leaves a file alone that has this content already, so that cargo sees nothing to build again.
fn write(path: &Path, content: &[u8]) {
    if fs::read(path).is_ok_and(|present| present == content) {
        return;
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
