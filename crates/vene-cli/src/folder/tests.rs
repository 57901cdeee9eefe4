#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

const NEW: Purpose = Purpose::New { kind: Kind::Sweep, force: false };

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn record(kind: Kind) -> Record {
    Record::begin(kind, json!({}), &[]).unwrap()
}

fn status(folder: &Path) -> Option<Status> {
    Record::read(folder).ok().and_then(|record| record.status())
}

fn refusal(path: &Path, purpose: Purpose) -> String {
    format!("{:#}", Folder::claim(path, purpose).map(|_| ()).unwrap_err())
}

#[test]
fn claiming_leaves_no_trace() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("a/b");
    let folder = Folder::claim(&path, NEW).unwrap();
    assert_eq!(entries(&path), [LOCK]);
    drop(folder);
    assert_eq!(entries(outer.path()), [] as [String; 0]);
}

#[test]
fn there_is_one_owner() {
    let outer = tempfile::tempdir().unwrap();
    let folder = Folder::claim(outer.path(), NEW).unwrap();
    for force in [false, true] {
        for kind in [Kind::Demo, Kind::Sweep, Kind::DataSweep, Kind::Training] {
            let said = refusal(outer.path(), Purpose::New { kind, force });
            assert!(said.contains("is in use") && said.contains("process"), "{said}");
        }
    }
    drop(folder);
    drop(Folder::claim(outer.path(), NEW).unwrap());
}

#[test]
fn what_fails_half_way_leaves_no_files_and_is_recorded() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("mine"), "mine").unwrap();
    let folder = Folder::claim(outer.path(), NEW).unwrap();
    let mut record = record(Kind::Sweep);
    folder.begin(&mut record, &["x".to_owned()]).unwrap();
    assert_eq!(status(outer.path()), Some(Status::Running));
    let failed: anyhow::Result<()> = folder.run(|| {
        folder.fill(&mut record, |staging| {
            fs::write(staging.path("x"), "new")?;
            bail!("disk full")
        })
    });
    assert!(failed.is_err());
    drop(folder);
    assert_eq!(entries(outer.path()), ["mine", RECORD]);
    let Ok(left) = Record::read(outer.path()) else { panic!("no record") };
    assert_eq!((left.status(), left.get("error")), (Some(Status::Failed), &json!("disk full")));

    // It can be run again, and is complete then.
    let folder = Folder::claim(outer.path(), NEW).unwrap();
    folder.begin(&mut record, &["x".to_owned()]).unwrap();
    record.set_files(&["x".to_owned(), RECORD.to_owned()]);
    folder.fill(&mut record, |staging| Ok(fs::write(staging.path("x"), "new")?)).unwrap();
    folder.complete(&mut record).unwrap();
    drop(folder);
    assert_eq!(entries(outer.path()), ["mine", RECORD, "x"]);
    assert_eq!(status(outer.path()), Some(Status::Complete));

    // And no longer from the first moment of another run; what it wrote is gone, what it didn't is left.
    assert!(refusal(outer.path(), NEW).contains("--force"));
    let forced = Purpose::New { kind: Kind::Sweep, force: true };
    let folder = Folder::claim(outer.path(), forced).unwrap();
    assert_eq!(status(outer.path()), Some(Status::Complete));
    folder.begin(&mut record, &["y".to_owned()]).unwrap();
    assert_eq!(status(outer.path()), Some(Status::Running));
    assert_eq!(entries(outer.path()), [LOCK, "mine", RECORD]);
    drop(folder);
    assert_eq!(status(outer.path()), Some(Status::Failed));
}

#[test]
fn files_of_others_are_not_overwritten() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("sweep.csv"), "mine").unwrap();
    let names = ["sweep.csv".to_owned()];
    let folder = Folder::claim(outer.path(), NEW).unwrap();
    let said = folder.check_files(&names).unwrap_err().to_string();
    assert!(said.contains("sweep.csv is there already"), "{said}");
    drop(folder);
    let force = Purpose::New { kind: Kind::Sweep, force: true };
    Folder::claim(outer.path(), force).unwrap().check_files(&names).unwrap();

    // Neither a folder that has the name of one of a run's, nor what is in it.
    let parts = outer.path().join("parts");
    fs::create_dir(&parts).unwrap();
    fs::write(parts.join("wheel.stl"), "mine").unwrap();
    let said = refusal(outer.path(), Purpose::New { kind: Kind::DataSweep, force: true });
    assert!(said.contains("parts is in the way") && said.contains("wheel.stl"), "{said}");
    assert!(Folder::claim(outer.path(), force).is_ok());
}

#[test]
fn a_file_is_no_folder() {
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let said = refusal(&path, NEW);
        assert!(said.contains("is no folder"), "{said}");
    }
    fs::create_dir(outer.path().join("sweep.csv")).unwrap();
    let folder = Folder::claim(outer.path(), NEW).unwrap();
    assert!(folder.check_files(&["sweep.csv".to_owned()]).is_err());
}

#[test]
fn a_record_that_leads_out_of_the_folder_removes_nothing_there() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("mine"), "mine").unwrap();
    let inner = outer.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let mut hostile = record(Kind::Demo);
    hostile.set_files(&["../mine".into(), outer.path().join("mine").display().to_string()]);
    hostile.set_status(Status::Complete);
    hostile.write(&inner).unwrap();
    let folder = Folder::claim(&inner, Purpose::New { kind: Kind::Demo, force: true }).unwrap();
    folder.begin(&mut record(Kind::Demo), &[]).unwrap();
    assert!(outer.path().join("mine").exists());
}
