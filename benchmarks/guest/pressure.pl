# SPDX-License-Identifier: MIT
# Loads while memory is nearly full: pressure.pl KIND ATTEMPTS VARIANT LEVEL...
#
# KIND as in fill.pl; LEVEL is the MemAvailable to load at, in MiB. The service itself loads, as it does at shutdown:
# its ExecStop=, in its own cgroup. VARIANT: "shipped", the service as it is; "equal", with a kexec that is not
# the OOM killer's first choice but one process among others; "equal+stop", with OOMPolicy=stop, systemd's default, too.
use strict;
use warnings;
use lib '/run/kexec-bench';
use Bench;
use Fcntl;
use IO::Handle;
use POSIX ();

my ($kind, $attempts, $variant, @levels) = @ARGV;
my $patience = '/run/kexec-load/conf.d/bench.conf';

# What the kernel has logged since the last call.
sysopen my $log, '/dev/kmsg', O_RDONLY | O_NONBLOCK or die "/dev/kmsg: $!\n";
sub logged {
    my $text = '';
    for (;;) {
        my $read = sysread $log, my $line, 8192;
        next if !defined $read && $!{EPIPE};
        return $text if !$read;
        $text .= $line;
    }
}

sub drop_in {
    my ($unit, @settings) = @_;
    system 'mkdir', '-p', "/run/systemd/system/$unit.d";
    Bench::write_file("/run/systemd/system/$unit.d/bench.conf", join("\n", '[Service]', @settings, ''));
}

sub prepare_service {
    my @settings = ('Environment=KEXEC_LOAD_SHUTDOWN=reboot');
    push @settings, 'OOMPolicy=stop' if $variant =~ /stop/;
    if ($variant =~ /equal/) {
        # Not below /run, from which nothing may be executed.
        my $folder = '/var/tmp/kexec-bench-equal';
        mkdir $folder;
        Bench::write_file("$folder/kexec", "#!/bin/sh\necho 0 >/proc/self/oom_score_adj\nexec /usr/sbin/kexec \"\$\@\"\n");
        chmod 0755, "$folder/kexec";
        system("$folder/kexec --version >/dev/null") == 0 or die "$folder/kexec does not run\n";
        push @settings, "Environment=PATH=$folder:/usr/sbin:/usr/bin:/sbin:/bin";
    }
    drop_in('kexec-load.service', @settings);
    # As long as it may be: not the slowness of an emulated machine is to decide, but its memory.
    system 'mkdir', '-p', '/run/kexec-load/conf.d';
    Bench::write_file($patience, "LOAD_TIMEOUT=75\n");
    # systemd stops a service one of whose processes the OOM killer took: not this one.
    drop_in('kexec-harness-agent.service', 'OOMPolicy=continue');
    system('systemctl', 'daemon-reload') == 0 or die "systemctl daemon-reload failed\n";
}

sub start_filler {
    pipe my $out, my $to or die "pipe: $!\n";
    pipe my $from, my $in or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<&', $out;
        open STDOUT, '>&', $in;
        exec 'sh', '-c', 'ulimit -n 1048576 && exec perl "$@"', 'sh', "$Bench::PLACE/fill.pl", $kind or POSIX::_exit(127);
    }
    close $out;
    close $in;
    $to->autoflush(1);
    return { pid => $pid, to => $to, from => $from };
}

# The level reached (KiB); nothing if the filler is gone.
sub fill_to {
    my ($filler, $level) = @_;
    local $SIG{PIPE} = 'IGNORE';
    print { $filler->{to} } "$level\n" or return;
    my $reached = readline $filler->{from} // return;
    chomp $reached;
    return $reached;
}

sub stop_filler {
    my ($filler) = @_;
    close $filler->{to};
    kill 'KILL', $filler->{pid};
    waitpid $filler->{pid}, 0;
    system 'umount', "$Bench::PLACE/fill" if $kind eq 'tmpfs';
}

# The free blocks of each order, 4 KiB to 4 MiB, of all zones.
sub free_blocks {
    my @blocks;
    for (split /\n/, Bench::read_file('/proc/buddyinfo')) {
        my @counts = split ' ', s/.*zone +\S+//r;
        $blocks[$_] += $counts[$_] for 0 .. $#counts;
    }
    return join ',', @blocks;
}

# Whether something of the service outlives it: then the service has given up, and its child loads on while the
# shutdown does. Waits for its end, so that it is not there at the next attempt.
sub left_running {
    my $processes = '/sys/fs/cgroup/system.slice/kexec-load.service/cgroup.procs';
    my $outlived = Bench::read_file($processes) ne '' ? 1 : 0;
    my $since = Bench::now();
    while (Bench::read_file($processes) ne '' && Bench::now() < $since + 90) { Bench::pause(0.2) }
    return $outlived;
}

sub attempt {
    my ($level, $reached) = @_;
    my %memory = Bench::memory();
    my %fields = (level_mib => $level, available_kib => $reached, free_kib => $memory{MemFree}, free_blocks => free_blocks());
    logged();
    my $began = Bench::now();
    system 'systemctl', 'stop', 'kexec-load.service';
    $fields{seconds} = Bench::now() - $began;
    $fields{loaded} = Bench::loaded();
    $fields{staged} = -e '/run/kexec-load/staged' ? 1 : 0;
    $fields{leftovers} = join ',', grep { -e "/run/kexec-load/$_" } 'staging', 'initrd';
    $fields{outlived} = left_running();
    my $log = logged();
    $fields{retried} = $log =~ /kexec-load: no memory for the kernel/ ? 1 : 0;
    ($fields{said}) = ($log =~ /kexec-load: ((?:loaded|load failed|standing aside).*)/, '');
    $fields{killed} = join ',', $log =~ /Out of memory: Killed process \d+ \((.*?)\)/g;
    $fields{scores} = join ',', $log =~ /Out of memory: Killed process .*oom_score_adj:(-?\d+)/g;
    Bench::unload();
    Bench::record(%fields);
    system('systemctl', 'start', 'kexec-load.service') == 0 or die "kexec-load.service does not start\n";
}

# As it was, for whoever uses this machine next.
END {
    local $?;
    unlink $patience, map { "/run/systemd/system/$_.d/bench.conf" } 'kexec-load.service', 'kexec-harness-agent.service';
    system 'systemctl', 'daemon-reload';
}

Bench::protect();
prepare_service();
my $filler = start_filler();
for my $level (@levels) {
    for (1 .. $attempts) {
        my $reached = fill_to($filler, $level << 10);
        if (!defined $reached) {
            stop_filler($filler);
            $filler = start_filler();
            $reached = fill_to($filler, $level << 10) // die "the filler does not start again\n";
        }
        attempt($level, $reached);
    }
}
stop_filler($filler);
