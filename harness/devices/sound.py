"""Sound cards: the driver is bound, ALSA has the card and its playback, and the codec answers."""

from __future__ import annotations

from harness.devices.base import DeviceSet, Resources
from harness.model import Option


def _hda(controller: str, lent: Resources) -> list[Option]:
    audio, card = lent.id("audio"), lent.id("hda")
    return [
        ("-audiodev", f"none,id={audio}"),
        ("-device", f"{controller},id={card}"),
        ("-device", f"hda-duplex,bus={card}.0,audiodev={audio}"),
    ]


def _on_pci(device: str, lent: Resources) -> list[Option]:
    audio = lent.id("audio")
    return [("-audiodev", f"none,id={audio}"), ("-device", f"{device},audiodev={audio}")]


DEVICE_SETS = (
    DeviceSet(
        name="hda",
        summary="High Definition Audio controller (ICH6) with a codec",
        options=lambda lent: _hda("intel-hda", lent),
        script="sound.sh",
        driver="snd_hda_intel",
        values={"CODEC": "codec#0"},
    ),
    DeviceSet(
        name="hda-ich9",
        summary="the same, ICH9",
        options=lambda lent: _hda("ich9-intel-hda", lent),
        script="sound.sh",
        driver="snd_hda_intel",
        values={"CODEC": "codec#0"},
    ),
    DeviceSet(
        name="ac97",
        summary="AC'97 audio controller (ICH)",
        options=lambda lent: _on_pci("AC97", lent),
        script="sound.sh",
        driver="snd_intel8x0",
        values={"CODEC": "codec97#0/ac97#0-0"},
    ),
    DeviceSet(
        name="es1370",
        summary="Ensoniq AudioPCI 1370",
        options=lambda lent: _on_pci("ES1370", lent),
        script="sound.sh",
        driver="snd_ens1370",
        values={"CODEC": "audiopci"},
    ),
)
