# SPDX-License-Identifier: MIT
# What a loaded image holds, and what loading it takes for a moment: memory.pl REPETITIONS
use strict;
use warnings;
use lib '/run/kexec-bench';
use Bench;

my ($repetitions) = @ARGV;

# The memory that the kernel asks for to run in (boot.rst: init_size, at 0x260).
sub init_size {
    my $setup = substr Bench::read_file($Bench::KERNEL), 0, 0x264;
    return substr($setup, 0x202, 4) ? unpack('V', substr $setup, 0x260, 4) : '';
}

sub measure {
    my ($option, $repetition) = @_;
    my %before = Bench::settle();
    my ($least, $most) = ($before{MemAvailable}, Bench::held(%before));
    my ($samples, $resident) = (0, 0);
    my $pid = Bench::start({}, Bench::kexec_command($option, $Bench::KERNEL, $Bench::INITRD));
    my $status = Bench::wait_for($pid, sub {
        my %now = Bench::memory();
        $least = $now{MemAvailable} if $now{MemAvailable} < $least;
        $most = Bench::held(%now) if Bench::held(%now) > $most;
        my ($peak) = Bench::read_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m;
        $resident = $peak if $peak && $peak > $resident;
        $samples++;
    });
    $status == 0 && Bench::loaded() or die "kexec $option ended with status $status\n";
    my %after = Bench::settle();
    Bench::unload();
    my %again = Bench::settle();
    return if $repetition == 0;
    Bench::record(
        call => $option, samples => $samples, kexec_resident_kib => $resident,
        held_kib => $before{MemFree} - $after{MemFree},
        held_available_kib => $before{MemAvailable} - $after{MemAvailable},
        peak_held_kib => $most - Bench::held(%before),
        peak_available_kib => $before{MemAvailable} - $least,
        left_kib => $before{MemFree} - $again{MemFree},
    );
}

my %memory = Bench::memory();
Bench::record(
    kernel_bytes => -s $Bench::KERNEL, initrd_bytes => -s $Bench::INITRD, init_size_bytes => init_size(),
    total_kib => $memory{MemTotal}, reserve_kib => 0 + Bench::read_file('/proc/sys/vm/min_free_kbytes'),
);
# Less for each CPU to keep; else a second passes for every few megabytes until they are free again.
my $fraction = '/proc/sys/vm/percpu_pagelist_high_fraction';
Bench::write_file($fraction, "100000\n") if -e $fraction;
END { Bench::write_file($fraction, "0\n") if $fraction && -e $fraction }
# The first load of a boot leaves what the kernel keeps for the next one: not measured.
for my $repetition (0 .. $repetitions) {
    measure($_, $repetition) for $repetition % 2 ? ('-s', '-c') : ('-c', '-s');
}
