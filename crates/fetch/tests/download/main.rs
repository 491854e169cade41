//! Small made-up originals in the formats of the real ones, from a file server on this machine.

mod made_up;
mod server;

use niwaki_data::DataFolder;
use niwaki_fetch::{
    Array, Downloader, Original, Outcome, Source, Step, Subset, cifar10, digits, fetch, runner, sha256, weights, words,
};
use server::{Manner, Server};
use std::{collections::HashMap, path::Path, process::Command};

fn original(file: &'static str, server: &Server, content: Option<&[u8]>) -> Original {
    Original { file, url: format!("{}/{file}", server.url), sha256: content.map(sha256), bytes: None }
}

fn serve(file: &'static str, content: &[u8], manner: Manner) -> Server {
    Server::start(HashMap::from([(file, content.to_vec())]), manner)
}

fn quiet() -> Downloader {
    Downloader { mirror: None, quiet: true }
}

/// Everything in a folder but originals.
fn arrays(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.path().is_dir() {
            true if name == "originals" => {}
            true => found.extend(arrays(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}"))),
            false => found.push(name),
        }
    }
    found
}

#[test]
fn cifar_is_converted_once() {
    let archive = made_up::archive(&made_up::cifar(4));
    let server = serve("cifar.tar.gz", &archive, Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    let step = || cifar10(original("cifar.tar.gz", &server, Some(&archive)), 4);
    let Outcome::Wrote(files) = fetch(&step(), folder.path(), &quiet()).unwrap() else { panic!("it was not there") };
    assert_eq!(files.len(), 6);

    let data = DataFolder::new(folder.path());
    let images = data.u8("train/cifar10/train_1.u8", &[4, 32, 32, 3]).unwrap();
    // Image 2 of the second batch: red, green and blue of its 6th pixel.
    let value = |place: usize| (place * 7 + 2 * 31 + 101) as u8;
    assert_eq!(images[2 * 3072 + 5 * 3..][..3], [value(5), value(1024 + 5), value(2048 + 5)]);
    assert_eq!(data.u8("train/cifar10/train_1_y.u8", &[4]).unwrap(), [1, 2, 3, 4]);
    assert_eq!(data.u8("train/cifar10/test_a_y.u8", &[2]).unwrap(), [3, 4]);

    // Neither downloaded nor converted again; what was lost is made of the original that is here.
    assert_eq!(fetch(&step(), folder.path(), &quiet()).unwrap(), Outcome::There);
    std::fs::remove_file(folder.path().join("train/cifar10/test_a.u8")).unwrap();
    assert!(matches!(fetch(&step(), folder.path(), &quiet()).unwrap(), Outcome::Wrote(_)));
    assert_eq!(server.asked(), [("cifar.tar.gz".to_string(), None)]);
}

#[test]
fn a_download_that_breaks_off_is_resumed() {
    let archive = made_up::archive(&made_up::cifar(2));
    let server = serve("cifar.tar.gz", &archive, Manner::BreaksOff(300));
    let folder = tempfile::tempdir().unwrap();
    fetch(&cifar10(original("cifar.tar.gz", &server, Some(&archive)), 2), folder.path(), &quiet()).unwrap();
    let file = "cifar.tar.gz".to_string();
    assert_eq!(server.asked(), [(file.clone(), None), (file, Some(300))]);
}

#[test]
fn what_an_earlier_run_left_is_used_if_it_is_the_beginning() {
    let archive = made_up::archive(&made_up::cifar(2));
    let name = "cifar.tar.gz";
    // The server resumes; it does not; the beginning is another file's; another file's, and longer.
    let longer = vec![7; archive.len() + 5];
    let cases = [
        (Manner::Resumes, &archive[..500], vec![Some(500)]),
        (Manner::StartsOver, &archive[..500], vec![Some(500)]),
        (Manner::Resumes, &[7; 500][..], vec![Some(500), None]),
        (Manner::Resumes, &longer, vec![Some(longer.len()), None]),
    ];
    for (manner, left, asked) in cases {
        let server = serve(name, &archive, manner);
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("originals/cifar.tar.gz.part");
        std::fs::create_dir_all(part.parent().unwrap()).unwrap();
        std::fs::write(&part, left).unwrap();
        fetch(&cifar10(original(name, &server, Some(&archive)), 2), folder.path(), &quiet()).unwrap();
        assert!(!part.exists());
        assert_eq!(server.asked().into_iter().map(|(_, from)| from).collect::<Vec<_>>(), asked);
    }
}

#[test]
fn nothing_is_written_where_something_is_wrong() {
    let archive = made_up::archive(&made_up::cifar(2));
    let server = serve("cifar.tar.gz", &archive, Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    let fails = |step: &Step| format!("{:#}", fetch(step, folder.path(), &quiet()).unwrap_err());

    let other = fails(&cifar10(original("cifar.tar.gz", &server, Some(b"other")), 2));
    assert!(other.contains("has SHA-256 ") && other.contains("instead of "), "{other}");
    assert!(other.contains("--mirror"), "{other}");
    assert!(!folder.path().join("originals/cifar.tar.gz").exists());

    let short = fails(&cifar10(original("cifar.tar.gz", &server, None), 3));
    assert!(short.contains("data_batch_1.bin has 6146 bytes instead of 9219"), "{short}");

    let missing = fails(&cifar10(original("elsewhere.tar.gz", &server, None), 2));
    assert!(missing.contains("/elsewhere.tar.gz: the server says 404"), "{missing}");

    let mut step = cifar10(original("cifar.tar.gz", &server, Some(&archive)), 2);
    step.arrays[5].sha256 = Some("00".repeat(32));
    let changed = fails(&step);
    assert!(changed.contains("train/cifar10/test_a_y.u8 has SHA-256 "), "{changed}");
    assert_eq!(arrays(folder.path()), [""; 0]);

    let damaged = serve("cifar.tar.gz", &archive[..archive.len() / 2], Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    let step = cifar10(original("cifar.tar.gz", &damaged, None), 2);
    let error = format!("{:#}", fetch(&step, folder.path(), &quiet()).unwrap_err());
    assert!(error.contains("cifar.tar.gz is damaged"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_with_the_file() {
    let archive = made_up::archive(&made_up::cifar(4));
    let server = serve("cifar.tar.gz", &archive, Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    let originals = folder.path().join("originals");
    std::fs::create_dir(&originals).unwrap();
    // Every byte written there is one too many.
    std::os::unix::fs::symlink("/dev/full", originals.join("cifar.tar.gz.part")).unwrap();
    let error =
        fetch(&cifar10(original("cifar.tar.gz", &server, Some(&archive)), 4), folder.path(), &quiet()).unwrap_err();
    let error = format!("{error:#}");
    for part in ["cannot write ", "originals/cifar.tar.gz.part", "--to", "No space left"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(arrays(folder.path()), [""; 0]);
}

#[test]
fn test_inputs_follow_their_list() {
    let files = [
        ("energyrunner-1/README.md", &b"no data"[..]),
        ("energyrunner-1/datasets/kws01/a.bin", &[1, 2]),
        ("energyrunner-1/datasets/kws01/b.bin", &[3, 4]),
        ("energyrunner-1/datasets/kws01/y_labels.csv", b"b.bin,12,7\na.bin, 12, 11\n"),
        ("energyrunner-1/datasets/ad01/a.bin", &[5]),
    ];
    let archive = made_up::archive(&files.map(|(name, content)| (name.to_string(), content.to_vec())));
    let server = serve("runner.tar.gz", &archive, Manner::StartsOver);
    let subset = |folder, source, count: usize, size: usize| Subset {
        folder,
        source,
        inputs: Array::new(format!("eval/{folder}/x.i8"), count * size),
        labels: Array::new(format!("eval/{folder}/y.u8"), count),
    };
    let named = Source::Names(vec![("a.bin".into(), 1)]);
    let subsets = vec![subset("kws01", Source::Labels(2), 2, 2), subset("ad01", named, 1, 1)];
    let folder = tempfile::tempdir().unwrap();
    fetch(&runner(original("runner.tar.gz", &server, None), subsets), folder.path(), &quiet()).unwrap();
    let data = DataFolder::new(folder.path());
    assert_eq!(data.i8("eval/kws01/x.i8", &[2, 2]).unwrap(), [3, 4, 1, 2]);
    assert_eq!(data.u8("eval/kws01/y.u8", &[2]).unwrap(), [7, 11]);
    assert_eq!(data.u8("eval/ad01/y.u8", &[1]).unwrap(), [1]);

    let gone = vec![subset("kws01", Source::Names(vec![("c.bin".into(), 0)]), 1, 2)];
    let folder = tempfile::tempdir().unwrap();
    let error = fetch(&runner(original("runner.tar.gz", &server, None), gone), folder.path(), &quiet()).unwrap_err();
    assert!(format!("{error:#}").contains("it has no datasets/kws01/c.bin"), "{error:#}");
}

#[test]
fn weights_come_out_of_a_tflite_file() {
    let file = made_up::tflite(&[1.0, 2.0, 3.0, -4.0, 5.0, 6.5], [0.5, -0.5]);
    let server = serve("net.tflite", &file, Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    fetch(&weights(original("net.tflite", &server, Some(&file)), "net"), folder.path(), &quiet()).unwrap();
    let bytes = std::fs::read(folder.path().join("models/net_float.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weight = tensors.tensor("00_fully_connected.weight").unwrap();
    assert_eq!((weight.shape(), &weight.data()[12..16]), (&[2, 3][..], &(-4.0f32).to_le_bytes()[..]));
    assert_eq!(tensors.tensor("00_fully_connected.bias").unwrap().data()[..4], 0.5f32.to_le_bytes());

    // However it is damaged, that is an error or another number, and no panic.
    for at in (0..file.len()).step_by(2) {
        let mut damaged = file.clone();
        damaged[at] ^= 0xff;
        let server_file = folder.path().join(format!("originals/{at}.tflite"));
        std::fs::write(&server_file, damaged).unwrap();
        let name: &'static str = Box::leak(format!("{at}.tflite").into_boxed_str());
        let _ = fetch(&weights(original(name, &server, None), &format!("net{at}")), folder.path(), &quiet());
    }
}

#[test]
fn digits_are_parted_by_take() {
    let mut files = Vec::new();
    for digit in 0..10 {
        for speaker in ["f", "e", "d", "c", "b", "a"] {
            for take in 0..6 {
                let name = format!("fsdd-1/recordings/{digit}_{speaker}_{take}.wav");
                files.push((name, made_up::wav(8_000, 800, 0.05 * f64::from(take + 1))));
            }
        }
    }
    let archive = made_up::archive(&files);
    let server = serve("fsdd.tar.gz", &archive, Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    fetch(&digits(original("fsdd.tar.gz", &server, None), 6), folder.path(), &quiet()).unwrap();
    let data = DataFolder::new(folder.path());
    let train = data.i8("train/fsdd/train_mfcc.i8", &[60, 49, 10]).unwrap();
    let test = data.i8("train/fsdd/test_mfcc.i8", &[300, 49, 10]).unwrap();
    // A word is louder than the silence after it, and every take is another tone.
    assert!(train[0] > train[48 * 10] && train[..490] != test[..490] && test[..490] != test[490..980]);
    assert_eq!(train[48 * 10], -128);
    assert_eq!(data.u8("train/fsdd/train_y.u8", &[60]).unwrap()[5..7], [0, 1]);
    assert_eq!(data.u8("train/fsdd/train_speaker.u8", &[60]).unwrap()[..7], [0, 1, 2, 3, 4, 5, 0]);
}

#[test]
fn words_are_taken_in_turn_without_those_for_testing() {
    let clip = |name: &str, step: f64| (format!("./{name}"), made_up::wav(16_000, 16_000, step));
    let files = [
        clip("yes/b.wav", 0.1),
        clip("yes/a.wav", 0.2),
        clip("bed/c.wav", 0.3),
        clip("bed/a.wav", 0.4),
        clip("bed/b.wav", 0.5),
        clip("_background_noise_/a.wav", 0.6),
        ("./testing_list.txt".into(), b"bed/a.wav\n".to_vec()),
        ("./validation_list.txt".into(), b"yes/a.wav\n".to_vec()),
    ];
    let archive = made_up::archive(&files);
    let server = serve("words.tar.gz", &archive, Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    fetch(&words(original("words.tar.gz", &server, Some(&archive)), 3), folder.path(), &quiet()).unwrap();
    let data = DataFolder::new(folder.path());
    assert_eq!(data.u8("train/speech_commands_sample/y12.u8", &[3]).unwrap(), [11, 11, 9]);
    let inputs = data.i8("train/speech_commands_sample/mfcc.i8", &[3, 490]).unwrap();
    assert!(inputs[..490] != inputs[490..980] && inputs[490..980] != inputs[980..]);

    let folder = tempfile::tempdir().unwrap();
    let error = fetch(&words(original("words.tar.gz", &server, None), 4), folder.path(), &quiet()).unwrap_err();
    assert!(format!("{error:#}").contains("3 clips to learn from instead of at least 4"), "{error:#}");
}

/// The program, as `cargo xtask data` runs it: a mirror with another file is refused, and nothing is written.
#[test]
fn the_program_refuses_another_file() {
    let server = serve("pretrainedResnet.tflite", b"no network", Manner::Resumes);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_niwaki-fetch"));
    command.args(["ic", "--quiet", "--mirror", &server.url, "--to"]).arg(folder.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("error: http://") && said.contains("has SHA-256 "), "{said}");
    assert!(output.stdout.is_empty() && arrays(folder.path()).is_empty());
}
