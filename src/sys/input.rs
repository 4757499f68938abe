//! Standard input as a whole.

use std::io::{self, Read};

use super::hardening;

/// Reads a secret: standard input to its end. From now on we leave no core file.
///
/// # Errors
/// It cannot be read, is longer than `limit` bytes, or is not UTF-8 text. What was read is not shown.
pub fn secret(limit: u64) -> io::Result<String> {
    hardening::close();
    let mut bytes = Vec::new();
    io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}
