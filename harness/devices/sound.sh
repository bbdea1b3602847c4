# Guest side of the sound checks. Set before: STAGE DRIVER CODEC (file of the card below /proc/asound).
# shellcheck shell=sh disable=SC2154
CARD_WAIT=20

# Codecs are looked for after the driver has been bound.
has_codec() {
    card=$(for path in /proc/asound/card[0-9]*; do [ -r "$path/$CODEC" ] && echo "$path"; done | head -n 1)
    [ -n "$card" ]
}

check_sound() {
    check_driver "$DRIVER"
    if ! within "$CARD_WAIT" has_codec; then
        echo "fail codec no card has $CODEC; there are: $(tr -s ' \n' ' ' </proc/asound/cards)"
        return
    fi
    echo "ok codec $card has $CODEC: $(head -n 1 "$card/$CODEC" | cut -c 1-80)"
    if [ -r "$card/pcm0p/info" ]; then
        echo "ok playback $(sed -n 's/^name: //p' "$card/pcm0p/info")"
    else
        echo "fail playback $card has none"
    fi
}

[ "$STAGE" != after ] || check_sound
