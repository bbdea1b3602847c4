# SPDX-License-Identifier: MIT
# How long a late load takes, whole and in its steps: time.pl REPETITIONS
use strict;
use warnings;
use lib '/run/kexec-bench';
use Bench;

my ($repetitions) = @ARGV;

sub take_time {
    my ($kind, @command) = @_;
    my $began = Bench::now();
    my $status = Bench::finish(Bench::start({ environment => \%Bench::AT_REBOOT }, @command));
    my $seconds = Bench::now() - $began;
    $status == 0 && Bench::loaded() or die "@command: status $status\n";
    Bench::unload();
    Bench::record(kind => $kind, seconds => $seconds);
}

# Where each step begins, as the shell's own trace shows it; the step before ends there.
my @STEPS = (
    [settings => qr/^\++ read_config/],
    [choosing => qr/^\++ choose$/],
    [kernel_check => qr/^\++ refuse_images/],
    [initrd_check => qr/^\++ refuse_initrd/],
    [attempts => qr/^\++ refuse_attempts/],
    [preparing => qr/^\++ stage$/],
    [loading => qr/^\++ call_kexec/],
    [noting => qr/^\++ write_note/],
);

# The real program, traced; each line gets its time on arrival.
sub take_steps {
    my $trace = "$Bench::PLACE/trace";
    unlink $trace;
    system('mkfifo', $trace) == 0 or die "mkfifo failed\n";
    my @next = @STEPS;
    my ($step, %seconds) = ('starting');
    my $since = Bench::now();
    my $pid = Bench::start({ output => $trace, environment => \%Bench::AT_REBOOT }, 'sh', '-x', '/usr/sbin/kexec-load', 'load-now');
    open my $lines, '<', $trace or die "$trace: $!\n";
    my $turn = sub {
        my $now = Bench::now();
        $seconds{$step} = $now - $since;
        ($step, $since) = ($_[0], $now);
    };
    while (my $line = <$lines>) {
        next unless @next && $line =~ $next[0][1];
        $turn->((shift @next)->[0]);
    }
    $turn->('');
    die "kexec-load has no such step any more: $next[0][0]\n" if @next;
    Bench::finish($pid) == 0 && Bench::loaded() or die "the traced load failed\n";
    Bench::unload();
    Bench::record(kind => 'steps', %seconds);
}

my %measurements = (
    'kexec-load, cold cache' => sub { Bench::drop_caches(); take_time('kexec-load, cold cache', @Bench::KEXEC_LOAD) },
    'kexec-load' => sub { take_time('kexec-load', @Bench::KEXEC_LOAD) },
    'kexec -s' => sub { take_time('kexec -s', Bench::kexec_command('-s', $Bench::KERNEL, $Bench::INITRD)) },
    'kexec -c' => sub { take_time('kexec -c', Bench::kexec_command('-c', $Bench::KERNEL, $Bench::INITRD)) },
    steps => \&take_steps,
);
for (1 .. $repetitions) {
    $measurements{$_}->() for sort { rand() <=> 0.5 } sort keys %measurements;
}
