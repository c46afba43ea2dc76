//! `docs/security-tests.md`: what it names is there.

use std::{fs, path::Path};

/// All Rust files below a folder, one after the other.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut code = String::new();
    for folder in ["crates/core/src", "crates/worker/src", "tests/suites"] {
        sources(&root.join(folder), &mut code);
    }
    let page = fs::read_to_string(root.join("docs/security-tests.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let named = rows.filter_map(|line| line.split('|').nth(2)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let named: Vec<&str> = named.collect();
    let missing: Vec<_> = named.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(named.len() > 50 && missing.is_empty(), "{} are named; not there are {missing:?}", named.len());
}
