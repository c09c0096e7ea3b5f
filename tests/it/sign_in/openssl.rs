//! Keys and certificates, made by the command openssl for one test: ring
//! makes no RSA keys, and no key belongs into a repository.

use std::path::PathBuf;
use std::process::Command;

use crate::run::Ended;

/// A folder of a test's own.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// With `key.pem`, its `certificate.pem` and a `password`.
    pub(crate) fn with_certificate() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("password", &format!("{}\n", uuid::Uuid::new_v4()));
        folder.openssl(
            "req -x509 -newkey rsa:2048 -nodes -subj /CN=app -days 90 -keyout key.pem -out certificate.pem",
        );
        folder
    }

    /// Runs openssl in the folder; the words of `arguments` are what blanks
    /// part.
    pub(crate) fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .unwrap_or_else(|error| panic!("this test makes its keys with the command openssl: {error}"));
        assert!(
            output.status.success(),
            "openssl {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A certificate of the key whose life is over, which takes a whole
    /// certificate authority to make.
    pub(crate) fn expired_certificate(&self, name: &str) {
        self.write("index.txt", "");
        self.write("serial", "01\n");
        self.write(
            "ca.cnf",
            "[ca]\ndefault_ca = this\n[this]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n\
             default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n",
        );
        self.openssl("req -new -key key.pem -subj /CN=app -out request.pem");
        self.openssl(&format!(
            "ca -batch -selfsign -notext -config ca.cnf -keyfile key.pem -in request.pem \
             -startdate 20200101000000Z -enddate 20210101000000Z -out {name}"
        ));
    }

    pub(crate) fn password(&self) -> String {
        self.path("password")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.file(name)).unwrap();
        text.trim_end().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.file(name), content).unwrap();
    }

    /// Writes one file of several.
    pub(crate) fn join(&self, names: &[&str], into: &str) {
        let parts: Vec<String> = names.iter().map(|name| self.read(name)).collect();
        self.write(into, &(parts.join("\n") + "\n"));
    }

    /// Neither the password nor the key may be shown, in part or in whole.
    pub(crate) fn shows_nothing(&self, ended: &Ended) {
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        let key = self.read("key.pem");
        let secrets = key.lines().filter(|line| !line.starts_with("-----"));
        let password = self.read("password");
        for secret in secrets.chain([password.as_str()]) {
            for at in 0..=secret.len().saturating_sub(8) {
                let slice = &secret[at..secret.len().min(at + 8)];
                assert!(
                    slice.len() < 8 || !shown.contains(slice),
                    "a slice of a secret is shown"
                );
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
