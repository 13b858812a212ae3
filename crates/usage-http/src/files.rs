//! Files that reports and runs name: where they lie on the server is nobody's affair.

use serde_json::Value;

/// The name of a file, without its folders.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Leaves only the names of files of a list of them.
pub(crate) fn without_folders(value: &mut Value) {
    match value {
        Value::String(path) => *path = file_name(path).to_owned(),
        Value::Array(values) => values.iter_mut().for_each(without_folders),
        _ => {}
    }
}

/// Calls `each` for every file that the telemetry of a run names, with the name of its field.
pub(crate) fn artefacts<'a>(telemetry: &'a Value, each: &mut impl FnMut(&'a str, &'a str)) {
    for (name, value) in telemetry.as_object().into_iter().flatten() {
        match value {
            Value::String(path) if is_artefact(name) => each(name, path),
            Value::Array(values) => values.iter().for_each(|value| artefacts(value, each)),
            value => artefacts(value, each),
        }
    }
}

/// Leaves only the names of the files that the telemetry of a run names.
pub(crate) fn hide_folders(telemetry: &mut Value) {
    match telemetry {
        Value::Object(fields) => {
            for (name, value) in fields {
                if is_artefact(name) {
                    without_folders(value);
                }
                hide_folders(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide_folders),
        _ => {}
    }
}

fn is_artefact(field: &str) -> bool {
    let field = field.to_lowercase();
    ["artifact", "artefact", "report"]
        .iter()
        .any(|word| field.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_files_stay_and_folders_go() {
        let mut files = json!([
            "/srv/exports/completions.csv",
            "C:\\exports\\images.csv",
            "plain.csv"
        ]);
        without_folders(&mut files);
        assert_eq!(files, json!(["completions.csv", "images.csv", "plain.csv"]));
    }

    #[test]
    fn so_it_is_with_what_a_run_tells() {
        let mut telemetry = json!({
            "storedEvents": 3,
            "label": "a/b",
            "evidence": { "parity": [{ "report": "/srv/audit/parity.json", "verdict": "matched" }] },
        });
        let mut found = Vec::new();
        artefacts(&telemetry, &mut |name, path| {
            found.push((name.to_owned(), path.to_owned()));
        });
        assert_eq!(
            found,
            [("report".to_owned(), "/srv/audit/parity.json".to_owned())]
        );
        hide_folders(&mut telemetry);
        assert_eq!(telemetry["evidence"]["parity"][0]["report"], "parity.json");
        assert_eq!(
            (&telemetry["label"], &telemetry["storedEvents"]),
            (&json!("a/b"), &json!(3))
        );
    }
}
