//! No memory left is an error like any other: one line, exit code 2.

use std::process::Command;

/// What becomes of a small job with so many MiB of addresses.
fn limited(mebibytes: usize) -> (Option<i32>, String) {
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {}; exec \"$0\" \"$@\"", mebibytes << 10)])
        .arg(assert_cmd::cargo::cargo_bin("vene"))
        .args(["top", crate::support::BASE, "--threads", "2"])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn too_little_memory_ends_in_a_line() {
    // With enough of it the job runs; the program alone takes some.
    let enough = (1..).map(|step| step * 64).find(|&size| limited(size).0 == Some(0)).unwrap();
    let mut refused = 0;
    for step in 0..12 {
        let size = enough - step * 4;
        match limited(size) {
            (Some(0), _) => {}
            (Some(2), said) => {
                assert!(said.contains("error: ") && said.contains("memory"), "{size} MiB: {said}");
                assert!(!said.contains("panicked"), "{size} MiB: {said}");
                refused += 1;
            }
            // The system can't even start the program.
            (_, said) => {
                assert!(!said.contains("memory allocation of"), "{size} MiB: {said}");
                break;
            }
        }
    }
    assert!(refused > 0, "every size was enough or too little to start");
}
