# Guest side of the display checks. Set before: STAGE DRIVER NONCE.
# shellcheck shell=sh disable=SC2154
CONSOLE_WAIT=20

framebuffer_console() {
    for console in /sys/class/vtconsole/*; do
        case $(cat "$console/name") in
            *"frame buffer device"*) [ "$(cat "$console/bind")" = 1 ] && return 0 ;;
        esac
    done
    return 1
}

check_display() {
    check_driver "$DRIVER"
    if ! within "$CONSOLE_WAIT" framebuffer_console; then
        echo "fail console no framebuffer console is bound; framebuffers: $(tr '\n' ',' </proc/fb)"
        return
    fi
    echo "ok console is bound to the framebuffer $(head -n 1 /proc/fb)"
    # Switched off after ten minutes without a key, a console shows nothing.
    if printf '\033[9;0]\033[13]\033[2J\033[H%s\r\n' "kexec-harness $NONCE" >/dev/tty1; then
        sleep 1
        echo "ok text was written to the console"
    else
        echo "fail text could not be written to the console"
    fi
}

[ "$STAGE" != after ] || check_display
