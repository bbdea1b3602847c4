# SPDX-License-Identifier: MIT
# Loads that are made to fail, and what each leaves behind: atomic.pl WAY CASE BEFORE ATTEMPTS SEED
#
# WAY: "-s" and "-c", kexec alone by one call or the other; "kexec-load", the whole load as at shutdown. BEFORE:
# "nothing", or "older" for another image that was loaded before. CASE: see %cases.
use strict;
use warnings;
use lib '/run/kexec-bench';
use Bench;

my ($way, $case, $before, $attempts, $seed) = @ARGV;
# Moments and places of its own for each case.
srand unpack '%32C*', "$seed $way $case $before";
my $FOLDER = '/var/tmp/kexec-bench';
my ($kernel, $initrd) = ("$FOLDER/vmlinuz", "$FOLDER/initrd.img");
my $said = "$Bench::PLACE/said";
my $STATE = '/run/kexec-load';
# Two readings of the memory differ by less than this (KiB); the smallest image holds many times as much.
my $NOISE = 8192;

sub copy {
    my ($from, $to) = @_;
    Bench::write_file($to, '');
    system('cp', $from, $to) == 0 or die "cp failed\n";
}

# The real kernel and a small initrd: the loads take less time, and the older image is larger than the new one.
sub make_files {
    system('mkdir', '-p', $FOLDER, "$STATE/conf.d") == 0 or die "mkdir failed\n";
    if (!-e "$initrd.whole") {
        copy($Bench::KERNEL, "$kernel.whole");
        my $archive = "cd $FOLDER && head -c 8000000 /dev/urandom >payload && "
            . 'echo payload | busybox cpio -o -H newc | zstd -q >initrd.img.whole && rm payload';
        system($archive) == 0 or die "the initrd cannot be made\n";
    }
    Bench::write_file("$STATE/conf.d/bench.conf", "KERNEL=$kernel\nINITRD=$initrd\nAPPEND=root=/dev/vda2\n");
    restore();
}

sub restore {
    for ($kernel, $initrd) {
        unlink $_;
        link "$_.whole", $_ or die "$_: $!\n";
    }
}

# A copy of its own, to be damaged.
sub damage {
    my ($path, $how) = @_;
    unlink $path;
    copy("$path.whole", $path);
    $how->($path);
}

sub cut {
    my ($path) = @_;
    truncate $path, 1 + int rand((-s $path) - 1) or die "truncate: $!\n";
}

sub flip {
    my ($path) = @_;
    open my $file, '+<', $path or die "$path: $!\n";
    my $at = int rand -s $path;
    sysseek $file, $at, 0;
    sysread $file, my $byte, 1;
    sysseek $file, $at, 0;
    syswrite $file, chr(ord($byte) ^ 1 << int rand 8);
}

sub command { return $way eq 'kexec-load' ? @Bench::KEXEC_LOAD : Bench::kexec_command($way, $kernel, $initrd) }
sub begin { return Bench::start({ output => $said, environment => \%Bench::AT_REBOOT, @_ }, command()) }

# The kexec processes of kexec-load, or kexec itself.
sub kexec_processes {
    return grep { Bench::read_file("/proc/$_/comm") eq "kexec\n" } map { m{/proc/(\d+)} } glob '/proc/[0-9]*';
}

my $typical = 1;

sub kill_kexec {
    my $pid = begin();
    my $status;
    if ($way eq 'kexec-load') {
        # Every kexec that it starts, each at a moment of its own.
        my %when;
        $status = Bench::wait_for($pid, sub {
            for (kexec_processes()) {
                $when{$_} //= Bench::now() + rand 2;
                kill 'KILL', $_ if Bench::now() > $when{$_};
            }
            Bench::pause(0.01);
        });
    }
    else {
        Bench::pause(rand 1.1 * $typical);
        kill 'KILL', $pid;
        waitpid $pid, 0;
        $status = $?;
    }
    return Bench::shell_status($status);
}

# The signal that the timer of LOAD_TIMEOUT sends, at a random moment instead of in whole seconds.
sub time_out {
    my $pid = begin();
    my $since = Bench::now();
    until (grep { Bench::read_file("/proc/$_/cmdline") =~ /load-now/ } map { m{/proc/(\d+)} } glob '/proc/[0-9]*') {
        die "kexec-load does not start\n" if Bench::now() > $since + 60;
    }
    Bench::pause(rand $typical);
    kill 'USR1', $pid;
    return Bench::finish($pid);
}

sub vanish {
    my $pid = begin();
    Bench::pause(rand $typical);
    unlink $initrd;
    return Bench::finish($pid);
}

# A second load of the same kind begins while the first is under way.
sub race {
    my $first = begin();
    Bench::pause(rand $typical);
    my $second = begin(output => "$said.second");
    my ($one, $two) = (Bench::finish($first), Bench::finish($second));
    return $one && $two;
}

my %cases = (
    'kexec killed' => \&kill_kexec,
    'time is up' => \&time_out,
    'kernel cut short' => sub { damage($kernel, \&cut); Bench::finish(begin()) },
    'initrd cut short' => sub { damage($initrd, \&cut); Bench::finish(begin()) },
    'bit of the kernel flipped' => sub { damage($kernel, \&flip); Bench::finish(begin()) },
    'bit of the initrd flipped' => sub { damage($initrd, \&flip); Bench::finish(begin()) },
    'address space limited' => sub { Bench::finish(begin(address_space => 3000 + int rand 60000)) },
    'initrd vanishes' => \&vanish,
    'two loads at once' => \&race,
);

sub load_older {
    my $status = Bench::finish(Bench::start({}, Bench::kexec_command('-s', $Bench::KERNEL, $Bench::INITRD)));
    $status == 0 && Bench::loaded() or die "the older image cannot be loaded\n";
}

my $baseline;
sub held { return Bench::held(Bench::memory()) - $baseline }

# Freed memory takes a moment until it counts as free.
sub held_at_rest {
    my ($least, $since) = (held(), Bench::now());
    while (Bench::now() < $since + 0.5 || ($least > $NOISE && !Bench::loaded() && Bench::now() < $since + 5)) {
        my $held = held();
        $least = $held if $held < $least;
        Bench::pause(0.05);
    }
    return $least;
}

# KiB that the new image and the older one hold, and how long a load takes; learnt once in each boot.
sub learn {
    my $known = "$Bench::PLACE/learnt$way";
    my @known = split ' ', Bench::read_file($known);
    # The first load of a boot leaves what the kernel keeps for the next one, and shakes free what the CPUs had kept.
    load_older() if !@known;
    Bench::unload();
    Bench::settle();
    $baseline = Bench::held(Bench::memory());
    if (!@known) {
        my $began = Bench::now();
        my $status = Bench::finish(begin());
        $status == 0 && Bench::loaded() or die 'a load that nobody disturbed failed: ', Bench::read_file($said), "\n";
        @known = (Bench::now() - $began, held_at_rest());
        Bench::unload();
        load_older();
        push @known, held_at_rest();
        Bench::unload();
        die "the images cannot be told apart: @known\n" if $known[1] < 4 * $NOISE || $known[2] < $known[1] + 2 * $NOISE;
        Bench::write_file($known, "@known\n");
    }
    $typical = $known[0];
    return (new => $known[1], older => $known[2]);
}

# Which image is loaded, told by the memory that it holds.
sub which {
    my ($held, %sizes) = @_;
    return 'nothing' if !Bench::loaded();
    my ($name) = grep { abs($held - $sizes{$_}) < $NOISE } sort keys %sizes;
    return $name // 'unclear';
}

make_files();
my $fraction = '/proc/sys/vm/percpu_pagelist_high_fraction';
Bench::write_file($fraction, "100000\n") if -e $fraction;
END { Bench::write_file($fraction, "0\n") if $fraction && -e $fraction }
my %sizes = learn();
for (1 .. $attempts) {
    restore();
    load_older() if $before eq 'older';
    my $began = Bench::now();
    my $status = $cases{$case}->();
    my $seconds = Bench::now() - $began;
    my $held = held_at_rest();
    my ($last) = Bench::read_file($said) =~ /(.*)\n\z/;
    my %fields = (
        status => $status, seconds => $seconds, left => which($held, %sizes), held_kib => $held, typical_s => $typical, new_kib => $sizes{new}, older_kib => $sizes{older}, said => $last // '',
        files => join(',', grep { -e "$STATE/$_" } 'staged', 'staging', 'initrd'), note => -e '/var/lib/kexec-load/note' ? 1 : 0,
    );
    Bench::unload();
    Bench::record(%fields, leak_kib => held_at_rest());
}
unlink "$STATE/conf.d/bench.conf";
