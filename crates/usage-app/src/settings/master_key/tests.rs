use std::sync::Barrier;

use super::*;

const KEY: [u8; 32] = [0xfb; 32];

fn text_of(source: &MasterKeySource) -> String {
    source.load().unwrap_err().to_string()
}

fn given(text: &str) -> MasterKeySource {
    MasterKeySource::given(SecretString::from(text))
}

#[test]
fn every_spelling_of_base64_is_one_key() {
    let standard = STANDARD.encode(KEY);
    assert!(standard.contains('+') && standard.ends_with('='), "{standard}");
    let url_safe = standard.replace('+', "-").replace('/', "_");
    for text in [&standard, &url_safe] {
        for text in [text.as_str(), text.trim_end_matches('='), &format!(" {text}\n")] {
            assert_eq!(*given(text).load().unwrap().expose_secret(), KEY, "{text:?}");
        }
    }
}

#[test]
fn what_is_no_key_is_named_without_its_text() {
    let short = STANDARD.encode([7; 31]);
    assert_eq!(
        text_of(&given(&short)),
        "USAGE_MASTER_KEY holds 31 bytes; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints"
    );
    for text in ["hunter2!", "=", "\u{e4}", "Zm9v Zm9v"] {
        assert_eq!(
            text_of(&given(text)),
            "USAGE_MASTER_KEY is not base64; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints",
            "{text}"
        );
    }
}

#[test]
fn a_source_shows_no_secret() {
    let text = STANDARD.encode(KEY);
    let source = given(&text);
    assert_eq!(source.to_string(), "set, hidden");
    assert!(!format!("{source:?}").contains(&text));
}

#[test]
fn a_named_file_is_read_and_never_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let source = MasterKeySource::file(path.clone(), None);
    for result in [source.load(), source.load_or_create()] {
        assert_eq!(
            result.unwrap_err().to_string(),
            format!(
                "the master key file {} does not exist; restore it from a backup or name another in USAGE_MASTER_KEY_FILE",
                path.display()
            )
        );
    }
    assert!(!path.exists());

    std::fs::write(&path, STANDARD.encode(KEY) + "\n").unwrap();
    assert_eq!(*source.load().unwrap().expose_secret(), KEY);

    std::fs::write(&path, "").unwrap();
    assert_eq!(
        text_of(&source),
        format!(
            "the master key file {} holds 0 bytes; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints",
            path.display()
        )
    );
    std::fs::write(&path, "A".repeat(5000)).unwrap();
    assert_eq!(
        text_of(&source),
        format!(
            "cannot read the master key file {}: it is too large to be a key file",
            path.display()
        )
    );
    assert!(matches!(
        MasterKeySource::file(directory.path().to_owned(), None).load(),
        Err(MasterKeyError::Unreadable { .. })
    ));
}

#[test]
fn the_default_file_is_made_once_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let source = MasterKeySource::default_file(Some(home.path().join("config")), None);
    let path = source.path().unwrap().to_owned();
    assert_eq!(
        text_of(&source),
        format!(
            "there is no master key at {} yet; `usage keys add` makes one",
            path.display()
        )
    );
    assert!(!home.path().join("config").exists(), "looking makes nothing");

    let made = source.load_or_create().unwrap();
    assert_eq!(source.load().unwrap().expose_secret(), made.expose_secret());
    assert_eq!(
        source.load_or_create().unwrap().expose_secret(),
        made.expose_secret()
    );
    assert_eq!(source.warnings(), []);
    let other = MasterKeySource::default_file(Some(home.path().join("other")), None);
    assert_ne!(
        other.load_or_create().unwrap().expose_secret(),
        made.expose_secret()
    );
}

#[cfg(unix)]
#[test]
fn key_and_folder_are_private_and_a_key_open_to_others_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = tempfile::tempdir().unwrap();
    let source = MasterKeySource::default_file(Some(home.path().to_owned()), None);
    source.load_or_create().unwrap();
    let path = source.path().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));

    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let warnings: Vec<String> = source.warnings().iter().map(ToString::to_string).collect();
    let path = path.display();
    assert_eq!(
        warnings,
        [format!(
            "the master key file {path} is open to other users (mode 640); run `chmod 600 {path}`"
        )]
    );
}

#[test]
fn many_that_start_at_once_end_with_one_key_and_no_leftovers() {
    let home = tempfile::tempdir().unwrap();
    let source = MasterKeySource::default_file(Some(home.path().to_owned()), None);
    let start = Barrier::new(16);
    let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    *source.load_or_create().unwrap().expose_secret()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(
        std::fs::read_dir(source.path().unwrap().parent().unwrap())
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_key_is_never_made_beside_its_database() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("usage");
    std::fs::create_dir(&folder).unwrap();
    let beside = MasterKeySource::default_file(
        Some(home.path().to_owned()),
        Some(folder.join("..").join("usage").join("ledger.db")),
    );
    for result in [beside.load(), beside.load_or_create()] {
        assert_eq!(
            result.unwrap_err().to_string(),
            format!(
                "the master key {} would lie beside the database that it protects; move the database, or name a key file elsewhere in USAGE_MASTER_KEY_FILE",
                folder.join("master.key").display()
            )
        );
    }
    assert!(!folder.join("master.key").exists());

    let apart =
        MasterKeySource::default_file(Some(home.path().to_owned()), Some(home.path().join("ledger.db")));
    apart.load_or_create().unwrap();
}

#[cfg(unix)]
#[test]
fn a_database_behind_a_link_is_found_beside_the_key() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("usage");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("ledger.db"), "").unwrap();
    let link = home.path().join("elsewhere.db");
    std::os::unix::fs::symlink(folder.join("ledger.db"), &link).unwrap();
    let source = MasterKeySource::default_file(Some(home.path().to_owned()), Some(link));
    assert!(matches!(
        source.load_or_create(),
        Err(MasterKeyError::BesideDatabase { .. })
    ));
}

#[test]
fn a_named_key_beside_its_database_is_a_warning_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let source = MasterKeySource::file(path, Some(directory.path().join("ledger.db")));
    assert!(matches!(
        source.warnings()[..],
        [MasterKeyWarning::BesideDatabase { .. }]
    ));
}

#[test]
fn without_a_home_there_is_no_key() {
    let source = MasterKeySource::default_file(None, None);
    assert_eq!(source.to_string(), "nowhere");
    assert_eq!(
        source.load_or_create().unwrap_err().to_string(),
        "there is no home folder to keep a master key in; set USAGE_MASTER_KEY or USAGE_MASTER_KEY_FILE"
    );
}

#[test]
fn a_place_where_nothing_can_be_made_is_named() {
    let home = tempfile::tempdir().unwrap();
    let blocker = home.path().join("file");
    std::fs::write(&blocker, "").unwrap();
    let source = MasterKeySource::default_file(Some(blocker), None);
    let error = source.load_or_create().unwrap_err().to_string();
    assert!(error.contains("master.key") && !error.contains('\n'), "{error}");
}
