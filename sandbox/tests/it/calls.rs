//! Attacks by system calls: the network, the kernel's dangerous parts, other programs.

use sandbox::End;

use crate::support::{attack, limits, text};

/// Makes one system call and prints what came of it.
fn call(number: i64, arguments: &str) -> String {
    format!(
        "libc = ctypes.CDLL(None, use_errno=True)\n\
         print(libc.syscall({number}{arguments}), ctypes.get_errno())"
    )
}

#[test]
fn what_no_honest_program_calls_ends_it() {
    let calls = [
        (libc::SYS_ptrace, ", 16, 1, 0, 0"),
        (libc::SYS_process_vm_readv, ", 1, 0, 0, 0, 0, 0"),
        (libc::SYS_process_vm_writev, ", 1, 0, 0, 0, 0, 0"),
        (libc::SYS_unshare, ", 0x10000000"),
        (libc::SYS_setns, ", 0, 0"),
        (libc::SYS_mount, ", b'x', b'/tmp', b'tmpfs', 0, 0"),
        (libc::SYS_umount2, ", b'/box/work', 2"),
        (libc::SYS_pivot_root, ", b'.', b'.'"),
        (libc::SYS_fsopen, ", b'tmpfs', 0"),
        (libc::SYS_open_tree, ", -100, b'/', 1"),
        (libc::SYS_io_uring_setup, ", 1, 0"),
        (libc::SYS_keyctl, ", 0, 0, 0, 0, 0"),
        (libc::SYS_bpf, ", 0, 0, 0"),
        (libc::SYS_userfaultfd, ", 0"),
        (libc::SYS_perf_event_open, ", 0, 0, 0, 0, 0"),
        (libc::SYS_kexec_load, ", 0, 0, 0, 0"),
        (libc::SYS_reboot, ", 0, 0, 0, 0"),
        (libc::SYS_init_module, ", 0, 0, 0"),
        (libc::SYS_pidfd_getfd, ", 0, 0, 0"),
        (libc::SYS_open_by_handle_at, ", 0, 0, 0"),
        (libc::SYS_swapon, ", b'/x', 0"),
        (libc::SYS_clone, ", 0x10000011, 0, 0, 0, 0"),
        (libc::SYS_clone, ", 0x20000011, 0, 0, 0, 0"),
    ];
    for (number, arguments) in calls {
        for outcome in attack(&call(number, arguments), &limits()) {
            assert_eq!(outcome.end, End::Violation, "call {number}: {}", text(&outcome.stdout));
        }
    }
}

#[test]
fn what_some_ask_in_good_faith_is_refused() {
    let calls = [
        (libc::SYS_sethostname, ", b'x', 1"),
        (libc::SYS_clock_settime, ", 0, 0"),
        (libc::SYS_settimeofday, ", 0, 0"),
        (libc::SYS_setuid, ", 0"),
        (libc::SYS_setgroups, ", 0, 0"),
        (libc::SYS_capset, ", 0, 0"),
        (libc::SYS_chroot, ", b'.'"),
        (libc::SYS_mlockall, ", 3"),
        (libc::SYS_sched_setscheduler, ", 0, 1, 0"),
        (libc::SYS_sched_setattr, ", 0, 0, 0"),
        (libc::SYS_shmget, ", 1, 4096, 0o1666"),
        (libc::SYS_semget, ", 1, 1, 0o1666"),
        (libc::SYS_msgget, ", 1, 0o1666"),
        (libc::SYS_mq_open, ", b'q', 66, 0o666, 0"),
        (libc::SYS_memfd_create, ", b'x', 0"),
        (libc::SYS_execveat, ", 0, b'', 0, 0, 0x1000"),
        (libc::SYS_personality, ", 0x40000"),
        (libc::SYS_ioctl, ", 0, 0x5412, b'x'"),
        (libc::SYS_prctl, ", 36, 1, 0, 0, 0"),
        (libc::SYS_prlimit64, ", 1, 7, 0, 0"),
        (libc::SYS_syslog, ", 3, 0, 0"),
        (libc::SYS_sendmsg, ", 0, 0, 0"),
    ];
    for (number, arguments) in calls {
        for outcome in attack(&call(number, arguments), &limits()) {
            assert_eq!(outcome.end, End::Exited(0), "call {number}: {}", text(&outcome.stderr));
            assert_eq!(text(&outcome.stdout), "-1 1\n", "call {number}");
        }
    }
}

#[test]
fn what_the_filter_does_not_know_does_not_exist() {
    for number in [libc::SYS_clone3, 999, 0x4000_0000 + 39] {
        for outcome in attack(&call(number, ", 0, 0"), &limits()) {
            assert_eq!(text(&outcome.stdout), "-1 38\n", "call {number}");
        }
    }
}

#[test]
fn there_is_no_network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let source = format!(
        "
import socket
kinds = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET6, socket.SOCK_STREAM),
         (socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_NETLINK, socket.SOCK_RAW),
         (socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_INET, socket.SOCK_RAW), (40, socket.SOCK_STREAM), (38, socket.SOCK_SEQPACKET)]
for family, kind in kinds:
    try: print(socket.socket(family, kind))
    except PermissionError: pass
for act in (lambda: socket.create_connection(('127.0.0.1', {port})), lambda: socket.create_server(('', 0)),
            lambda: socket.getaddrinfo('example.com', 80), lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)):
    try: print(act())
    except OSError: pass
a, b = socket.socketpair()
for act in (lambda: a.sendto(b'x', '\\0abstract'), lambda: a.connect('\\0abstract'), lambda: a.bind('x'), lambda: a.sendmsg([b'x'])):
    try: print(act())
    except OSError: pass
"
    );
    for outcome in attack(&source, &limits()) {
        assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome.stderr));
        assert_eq!(text(&outcome.stdout), "");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn other_programs_stay_behind_the_same_walls() {
    let shell = "import os\nos.execv('/bin/sh', ['sh', '-c', 'cat /etc/passwd; ls /root; echo $HOME; kill -9 1; echo done'])";
    for outcome in attack(shell, &limits()) {
        assert_eq!(text(&outcome.stdout).trim(), "done", "{}", text(&outcome.stderr));
    }
    // A program of its own making cannot be started: its folder starts none.
    let own = "import os\nwith open('x', 'w') as f: f.write('#!/bin/sh\\necho started\\n')\nos.chmod('x', 0o755)\n\
               try: os.execv('x', ['x'])\nexcept PermissionError: print('refused')";
    for outcome in attack(own, &limits()) {
        assert_eq!(text(&outcome.stdout), "refused\n", "{}", text(&outcome.stderr));
    }
    let setuid = "import os, subprocess\nprint(subprocess.run(['/bin/su', '-c', 'id'], capture_output=True).returncode != 0)";
    for outcome in attack(setuid, &limits()) {
        assert_eq!(text(&outcome.stdout), "True\n", "{}", text(&outcome.stderr));
    }
}

#[test]
fn it_has_no_privilege_and_can_gain_none() {
    let source = "for line in open('/proc/self/status'):\n  \
                  if line.split(':')[0] in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp'): print(line.split()[1].lstrip('0'))";
    for outcome in attack(source, &limits()) {
        assert_eq!(text(&outcome.stdout), "\n\n\n\n\n1\n2\n", "{}", text(&outcome.stderr));
    }
}
