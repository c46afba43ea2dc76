//! Programs in other languages: `psql`, and Python with what scripts/python.sh installs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{
    postgres::programs,
    process::{Process, Stream},
    sexton::Output,
    wait::PATIENCE,
    workdir::Workdir,
};

/// Runs a script in `psql`, which stops at the first error (exit code 3) and prints rows without decoration. Errors
/// have their SQLSTATE.
pub async fn psql(url: &str, script: &str) -> Output {
    let dir = Workdir::new("sexton-psql-");
    let file = dir.path().join("script.sql");
    std::fs::write(&file, script).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    let mut command = Command::new(programs::find("psql"));
    command.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]);
    command.args(["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose", "--dbname", url, "--file"]).arg(file);
    run(&command).await
}

/// Runs a Python program that may import what scripts/python.sh installs.
pub async fn python(program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(interpreter());
    command.arg(program).args(args);
    run(&command).await
}

async fn run(command: &Command) -> Output {
    let process = Process::start(command, None);
    let code = process.wait(PATIENCE).await;
    let of = |stream| {
        let lines = process.lines().into_iter().filter(|line| line.stream == stream);
        lines.map(|line| line.text + "\n").collect()
    };
    Output { code, stdout: of(Stream::Stdout), stderr: of(Stream::Stderr) }
}

/// The one from `SEXTON_PYTHON`, else the one that scripts/python.sh made beside this test.
pub(crate) fn interpreter() -> PathBuf {
    if let Some(path) = env::var_os("SEXTON_PYTHON") {
        return PathBuf::from(path);
    }
    let path = python_dir().join("bin/python");
    assert!(path.is_file(), "{} is missing: run scripts/python.sh, or set SEXTON_PYTHON", path.display());
    path
}

/// Where scripts/python.sh puts Python and its packages.
pub(crate) fn python_dir() -> PathBuf {
    let test = env::current_exe().unwrap_or_else(|error| panic!("cannot tell where this test is: {error}"));
    // target/debug/deps/main-… → target/python
    test.ancestors().nth(3).expect("a test is three directories deep").join("python")
}
