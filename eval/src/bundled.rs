//! The suites that come with the program, inside it, so that it runs anywhere and offline.

/// A suite's folder.
pub(crate) struct Folder {
    /// Its name, and the folder's.
    pub(crate) name: &'static str,
    /// The text of `suite.toml`.
    pub(crate) toml: &'static str,
    /// The files beside it, by name.
    pub(crate) files: &'static [(&'static str, &'static [u8])],
}

/// All of them, in the order they are listed to the user.
pub(crate) const SUITES: &[Folder] = &[
    Folder {
        name: "countdown",
        toml: include_str!("../../eval-suites/countdown/suite.toml"),
        files: &[("problems.jsonl", include_bytes!("../../eval-suites/countdown/problems.jsonl"))],
    },
    Folder {
        name: "ultrafeedback",
        toml: include_str!("../../eval-suites/ultrafeedback/suite.toml"),
        files: &[(
            "problems.jsonl",
            include_bytes!("../../eval-suites/ultrafeedback/problems.jsonl"),
        )],
    },
    Folder {
        name: "ultrafeedback-judge",
        toml: include_str!("../../eval-suites/ultrafeedback-judge/suite.toml"),
        files: &[(
            "../ultrafeedback/problems.jsonl",
            include_bytes!("../../eval-suites/ultrafeedback/problems.jsonl"),
        )],
    },
    Folder {
        name: "ultrafeedback-reward",
        toml: include_str!("../../eval-suites/ultrafeedback-reward/suite.toml"),
        files: &[(
            "../ultrafeedback/problems.jsonl",
            include_bytes!("../../eval-suites/ultrafeedback/problems.jsonl"),
        )],
    },
    Folder {
        name: "livecodebench",
        toml: include_str!("../../eval-suites/livecodebench/suite.toml"),
        files: &[(
            "problems.jsonl",
            include_bytes!("../../eval-suites/livecodebench/problems.jsonl"),
        )],
    },
    Folder {
        name: "humaneval",
        toml: include_str!("../../eval-suites/humaneval/suite.toml"),
        files: &[("problems.jsonl", include_bytes!("../../eval-suites/humaneval/problems.jsonl"))],
    },
    Folder {
        name: "mbpp",
        toml: include_str!("../../eval-suites/mbpp/suite.toml"),
        files: &[("problems.jsonl", include_bytes!("../../eval-suites/mbpp/problems.jsonl"))],
    },
    Folder {
        name: "gsm8k",
        toml: include_str!("../../eval-suites/gsm8k/suite.toml"),
        files: &[("problems.jsonl", include_bytes!("../../eval-suites/gsm8k/problems.jsonl"))],
    },
    Folder {
        name: "example-exact",
        toml: include_str!("../../eval-suites/example-exact/suite.toml"),
        files: &[(
            "problems.jsonl",
            include_bytes!("../../eval-suites/example-exact/problems.jsonl"),
        )],
    },
    Folder {
        name: "example-regex",
        toml: include_str!("../../eval-suites/example-regex/suite.toml"),
        files: &[(
            "problems.jsonl",
            include_bytes!("../../eval-suites/example-regex/problems.jsonl"),
        )],
    },
    Folder {
        name: "example-choice",
        toml: include_str!("../../eval-suites/example-choice/suite.toml"),
        files: &[(
            "problems.jsonl",
            include_bytes!("../../eval-suites/example-choice/problems.jsonl"),
        )],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Suite;

    #[test]
    fn every_folder_is_bundled_and_every_file_it_names() {
        for folder in SUITES {
            let suite = Suite::parse(folder.toml, folder.name).unwrap();
            assert_eq!(suite.name, folder.name);
            for file in &suite.data.files {
                assert!(
                    folder.files.iter().any(|(name, _)| name == file),
                    "{}: {file}",
                    suite.name
                );
            }
        }
        let on_disk = fs_err::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../eval-suites"));
        for entry in on_disk.unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
            let name = entry.file_name().into_string().unwrap();
            assert!(SUITES.iter().any(|folder| folder.name == name), "{name} is not bundled");
        }
    }
}
