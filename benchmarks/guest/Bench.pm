# SPDX-License-Identifier: MIT
# What the programs of the benchmarks share. For perl-base, which is in every Debian: no Time::HiRes, no JSON.
package Bench;

use strict;
use warnings;
use POSIX ();

our $PLACE = '/run/kexec-bench';
our ($KERNEL, $INITRD) = (real('/vmlinuz'), real('/initrd.img'));
# Numbers of system calls (asm/unistd.h): clock_gettime and kexec_load.
my %CALLS = (x86_64 => [228, 246], aarch64 => [113, 104]);
my $machine = `uname -m`;
chomp $machine;
my ($CLOCK_GETTIME, $KEXEC_LOAD) = @{ $CALLS{$machine} or die "no system call numbers for $machine\n" };
# kexec_load's flag for the machine's own architecture is 0 (KEXEC_ARCH_DEFAULT).

$| = 1;

# Follows one link of the root folder, as the boot loader does.
sub real {
    my $path = readlink($_[0]) // return $_[0];
    return $path =~ m{^/} ? $path : "/$path";
}

# One record: a line of NAME=VALUE, separated by tabs.
sub record {
    my %fields = @_;
    tr/\t\n/  / for values %fields;
    print join("\t", map { "$_=$fields{$_}" } sort keys %fields), "\n";
}

# Seconds of the monotonic clock.
sub now {
    my $time = "\0" x 16;
    syscall($CLOCK_GETTIME, 1, $time) == 0 or die "clock_gettime: $!\n";
    my ($seconds, $nanoseconds) = unpack 'qq', $time;
    return $seconds + $nanoseconds / 1e9;
}

sub pause { select undef, undef, undef, $_[0] }

sub read_file {
    open my $file, '<', $_[0] or return '';
    my $text = '';
    while (sysread $file, $text, 65536, length $text) { }
    return $text;
}

sub write_file {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!\n";
    defined syswrite $file, $text or die "$path: $!\n";
    close $file;
}

# Memory of the machine in KiB, by the names of proc(5).
sub memory { return read_file('/proc/meminfo') =~ /^(\w+): +(\d+)/mg }

sub drop_caches {
    system 'sync';
    write_file('/proc/sys/vm/drop_caches', "3\n");
}

# What can be dropped is dropped and what comes back late has come back (since Linux 6.7 each CPU keeps megabytes of
# freed pages for a while), so that two readings of the free memory can be compared. Returns the second one.
sub settle {
    drop_caches();
    my ($free, $quiet) = (0, 0);
    for (1 .. 40) {
        my %memory = memory();
        $quiet = abs($memory{MemFree} - $free) < 128 ? $quiet + 1 : 0;
        return %memory if $quiet == 3;
        $free = $memory{MemFree};
        pause(0.4);
    }
    die "the free memory does not come to rest\n";
}

# KiB that no reclaim gives back: neither free nor a cache of files.
sub held {
    my %memory = @_;
    return $memory{MemTotal} - $memory{MemFree} - $memory{Buffers} - $memory{Cached} + $memory{Shmem} - $memory{SReclaimable};
}

# Whether the kernel says that an image is loaded.
sub loaded {
    for ('/sys/kernel/kexec/loaded', '/sys/kernel/kexec_loaded') {
        return 0 + read_file($_) if -e $_;
    }
    die "the kernel does not say whether an image is loaded\n";
}

# Without a program: none may be left memory to start in.
sub unload {
    syscall($KEXEC_LOAD, 0, 0, 0, 0);
    !loaded() or die "the loaded image cannot be unloaded\n";
    unlink '/run/kexec-load/staged', '/run/kexec-load/staging', '/run/kexec-load/initrd', '/var/lib/kexec-load/note';
}

# This process and those that it came from (the agent) outlive a shortage of memory.
sub protect {
    for (my $pid = $$; $pid > 1; ($pid) = read_file("/proc/$pid/stat") =~ /.*\) \S (\d+)/s) {
        write_file("/proc/$pid/oom_score_adj", "-1000\n");
    }
}

# start({option => value}, COMMAND...): a process with its own group, as exposed to the OOM killer as any service.
# Options: output (a file), address_space (KiB), environment (a hash).
sub start {
    my ($options, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    setpgrp;
    write_file('/proc/self/oom_score_adj', "0\n");
    # With it messages would go to the journal.
    delete $ENV{JOURNAL_STREAM};
    %ENV = (%ENV, %{ $options->{environment} || {} });
    open STDOUT, '>', $options->{output} || '/dev/null';
    open STDERR, '>&', \*STDOUT;
    @command = ('sh', '-c', "ulimit -v $options->{address_space} && exec \"\$@\"", 'sh', @command) if $options->{address_space};
    exec @command or POSIX::_exit(127);
}

# Waits for a process, calling a function again and again until it ends; returns its wait status.
sub wait_for {
    my ($pid, $meanwhile) = @_;
    while (waitpid($pid, 1) == 0) { $meanwhile->() }
    return $?;
}

# A wait status as a shell has it.
sub shell_status { return $_[0] & 127 ? 128 + ($_[0] & 127) : $_[0] >> 8 }

sub finish {
    waitpid $_[0], 0;
    return shell_status($?);
}

# "kexec" as kexec-load calls it; the classic call with -c, kexec_file_load with -s.
sub kexec_command {
    my ($option, $kernel, $initrd) = @_;
    return ('kexec', $option, '--load', $kernel, ($initrd ? "--initrd=$initrd" : ()), '--reuse-cmdline');
}

# Stage as the service does at shutdown.
our %AT_REBOOT = (KEXEC_LOAD_SHUTDOWN => 'reboot');
our @KEXEC_LOAD = ('kexec-load', 'load');

1;
