//! Who we are: the name under which a process holds leases.

use std::fmt;
use std::fs;
use std::str::FromStr;

/// A process, named so that another on the same host can see whether it still lives.
///
/// Host, boot, PID namespace, pid and start time together never name two processes; a pid alone is soon reused. On
/// systems without `/proc` everything but the pid is `-`, and nobody is ever seen dead: leases then only expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    host: String,
    boot: String,
    pid_namespace: String,
    pid: u32,
    started: String,
}

impl ProcessIdentity {
    /// This process.
    pub fn current() -> Self {
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            boot: read("/proc/sys/kernel/random/boot_id"),
            pid_namespace: pid_namespace(),
            pid,
            started: start_time(pid).unwrap_or_else(unknown),
        }
    }

    /// The name of the host it runs on; `-` where the system does not tell.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the process is known to be gone, as seen from `observer`. Unknown is alive.
    pub fn is_dead(&self, observer: &Self) -> bool {
        if self.host == unknown() || self.host != observer.host || self.boot == unknown() {
            return false;
        }
        if self.boot != observer.boot {
            return true; // The host has booted since.
        }
        if self.pid_namespace == unknown() || self.pid_namespace != observer.pid_namespace {
            return false; // Its pid means nothing here.
        }
        start_time(self.pid).is_none_or(|started| started != self.started)
    }
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            boot,
            pid_namespace,
            pid,
            started,
        } = self;
        write!(
            f,
            "host={host} boot={boot} pidns={pid_namespace} pid={pid} start={started}"
        )
    }
}

impl FromStr for ProcessIdentity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let field = |name: &str| {
            text.split(' ')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
                .ok_or(())
        };
        Ok(Self {
            host: field("host")?,
            boot: field("boot")?,
            pid_namespace: field("pidns")?,
            pid: field("pid")?.parse().map_err(|_| ())?,
            started: field("start")?,
        })
    }
}

fn unknown() -> String {
    "-".to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().replace(char::is_whitespace, "_"))
        .filter(|text| !text.is_empty())
        .unwrap_or_else(unknown)
}

fn pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map_or_else(|_| unknown(), |link| link.to_string_lossy().into_owned())
}

/// When the process started, in clock ticks since boot: field 22 of its `stat`. `None` when there is no such process,
/// or it is a zombie that can do nothing any more.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let behind_name = stat.rsplit_once(')')?.1;
    let mut fields = behind_name.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| started.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let current = ProcessIdentity::current();
        assert_eq!(current.to_string().parse(), Ok(current));
        assert!("the story".parse::<ProcessIdentity>().is_err());
    }

    #[test]
    fn we_live_and_others_are_judged_only_when_their_host_is_known() {
        let observer = ProcessIdentity::current();
        assert!(!observer.is_dead(&observer));
        let gone = ProcessIdentity {
            started: "1".to_owned(),
            ..observer.clone()
        };
        assert!(gone.is_dead(&observer), "the pid belongs to another process now");
        let rebooted = ProcessIdentity {
            boot: "earlier".to_owned(),
            ..observer.clone()
        };
        assert!(rebooted.is_dead(&observer));
        for alive in [
            ProcessIdentity {
                host: "elsewhere".to_owned(),
                ..gone.clone()
            },
            ProcessIdentity {
                pid_namespace: "pid:[1]".to_owned(),
                ..gone.clone()
            },
            ProcessIdentity {
                host: unknown(),
                ..rebooted
            },
        ] {
            assert!(!alive.is_dead(&observer), "{alive}");
        }
    }

    #[test]
    fn a_process_that_ended_is_dead() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let observer = ProcessIdentity::current();
        let started = start_time(child.id()).unwrap();
        let identity = ProcessIdentity {
            pid: child.id(),
            started,
            ..observer.clone()
        };
        assert!(!identity.is_dead(&observer));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(identity.is_dead(&observer));
    }
}
