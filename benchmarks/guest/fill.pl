# SPDX-License-Identifier: MIT
# Takes memory that nothing can reclaim: fill.pl tmpfs|anonymous|pipes|holes
#
# Reads levels from standard input, one MemAvailable in KiB a line, and answers with the one reached. "holes" are
# unmovable pages with free single pages between them: no larger block of memory is left.
use strict;
use warnings;
use lib '/run/kexec-bench';
use Bench;

my ($kind) = @ARGV;
my $MIB = 1 << 20;
my $PAGE = 4096;
# fcntl(2): room of a pipe in bytes, one page per write
my $F_SETPIPE_SZ = 1031;
my $RESERVE = '/proc/sys/vm/min_free_kbytes';

sub available { my %memory = Bench::memory(); return $memory{MemAvailable} }

# Each kind: take($kib) and give($kib) return false when there is nothing more to take or give.
my (@blocks, @full, @empty);
my %kinds = (
    tmpfs => [
        sub {
            my $path = "$Bench::PLACE/fill/" . @blocks;
            open my $file, '>', $path or return 0;
            my $written = syswrite $file, "\1" x ($_[0] << 10);
            push @blocks, $path;
            return $written;
        },
        sub { my $path = pop @blocks // return 0; unlink $path },
    ],
    anonymous => [
        sub { push @blocks, "\1" x ($_[0] << 10) },
        sub { @blocks ? do { undef $blocks[-1]; pop @blocks; 1 } : 0 },
    ],
    pipes => [\&fill_pipes, \&drain_pipes],
    holes => [\&fill_pipes, \&drain_pipes],
);
my ($take, $give) = @{ $kinds{$kind} or die "unknown kind: $kind\n" };

sub new_pipe {
    pipe my $out, my $in or die "pipe: $!\n";
    fcntl $in, $F_SETPIPE_SZ, $MIB or die "F_SETPIPE_SZ: $!\n";
    return { out => $out, in => $in, pages => 0 };
}

# A page of its own for each write.
sub add_page {
    my ($pipe) = @_;
    return 0 if $pipe->{pages} >= $MIB / $PAGE;
    syswrite($pipe->{in}, "\1" x $PAGE) == $PAGE or die "pipe: $!\n";
    return ++$pipe->{pages};
}

sub fill_pipes {
    my $pages = $_[0] * 1024 / $PAGE;
    while ($pages > 0) {
        my $pipe = $empty[-1] // return 0;
        if (add_page($pipe)) { $pages-- }
        else { push @full, pop @empty }
    }
    return 1;
}

sub drain_pipes {
    my $bytes = $_[0] << 10;
    while ($bytes > 0) {
        push @full, pop @empty if @empty && $empty[-1]{pages};
        my $pipe = $full[-1] // return 0;
        my $read = sysread $pipe->{out}, my $dropped, $bytes < $PAGE * $pipe->{pages} ? $bytes : $PAGE * $pipe->{pages};
        $pipe->{pages} -= $read / $PAGE;
        $bytes -= $read;
        push @empty, pop @full if !$pipe->{pages};
    }
    return 1;
}

# Nearly all memory in pages taken in turn by two rows of pipes, then one row drained. The kernel's reserve would
# stay in large blocks: it is small meanwhile.
sub make_holes {
    my $reserve = Bench::read_file($RESERVE);
    Bench::write_file($RESERVE, "2048\n");
    my @kept;
    for (;;) {
        my %memory = Bench::memory();
        last if $memory{MemFree} < 10240 || !@empty;
        my ($stays, $goes) = (pop @empty, pop @empty);
        push @kept, $stays;
        push @full, $goes;
        while (add_page($stays)) { add_page($goes) }
    }
    my $pages = 0;
    $pages += $_->{pages} for @full;
    drain_pipes($pages * $PAGE / 1024);
    Bench::write_file($RESERVE, $reserve);
    return @kept;
}

sub go_to {
    my ($level) = @_;
    for (1 .. 20000) {
        my $over = available() - $level;
        last if abs($over) <= 768;
        # In small steps near the end: a number that many CPUs count lags behind.
        my $step = abs($over) > 16384 ? 8192 : 512;
        last unless $over > 0 ? $take->($step) : $give->($step);
    }
    return available();
}

Bench::write_file('/proc/self/oom_score_adj', ($kind eq 'anonymous' ? 0 : -1000) . "\n");
if ($kind eq 'tmpfs') {
    mkdir "$Bench::PLACE/fill";
    system('mount', '-t', 'tmpfs', '-o', 'size=100%,nr_inodes=0', 'tmpfs', "$Bench::PLACE/fill") == 0 or die "mount failed\n";
}
my @kept;
if ($kind =~ /pipes|holes/) {
    my %memory = Bench::memory();
    @empty = map { new_pipe() } 1 .. $memory{MemTotal} / 1024;
    @kept = make_holes() if $kind eq 'holes';
}
while (my $level = <STDIN>) {
    print go_to($level), "\n";
}
system('umount', "$Bench::PLACE/fill") if $kind eq 'tmpfs';
