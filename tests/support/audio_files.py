"""Makers of sound files, whole and odd, for the tests of the audio modules."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from cacara.errors import AudioError
from cacara.media import audio
from cacara.media.audio import GALLERY_LIMITS, SAMPLE_RATE_HZ, AudioLimits

TONE_HZ = 440
ENCODERS = {  # file name: encoder, sample rate
    "tone.mp3": ("mp3", 44100),
    "tone.opus": ("libopus", 48000),
    "tone.m4a": ("aac", 44100),
    "tone.webm": ("libopus", 48000),
    "tone.mov": ("pcm_s16le", 44100),
    "alac.m4a": ("alac", 44100),
    "tone.aac": ("aac", 44100),
    "tone.mkv": ("ac3", 48000),
    "tone.wv": ("wavpack", 44100),
    "tone.amr": ("libopencore_amrnb", 8000),
    "alaw.wav": ("pcm_alaw", 8000),
    "adpcm.wav": ("adpcm_ms", 44100),
}
SUBTYPES = {  # file name: soundfile's subtype
    "tone.wav": "PCM_16",
    "tone.flac": "PCM_24",
    "tone.ogg": "VORBIS",
    "tone.aiff": "PCM_16",
    "tone.w64": "PCM_16",
    "tone.caf": "PCM_16",
    "tone.au": "PCM_16",
    "8bit.wav": "PCM_U8",
    "24bit.wav": "PCM_24",
    "32bit.wav": "PCM_32",
    "float.wav": "FLOAT",
    "double.wav": "DOUBLE",
}
PLAYLISTS = {
    "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\ntone.wav\n#EXT-X-ENDLIST\n",
    "list.ffconcat": b"ffconcat version 1.0\nfile tone.wav\n",
    "list.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
}


def tone(seconds: float, rate_hz: int = SAMPLE_RATE_HZ, peak: float = 0.5) -> np.ndarray:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (peak * np.sin(2 * np.pi * TONE_HZ * times)).astype(np.float32)


def encode(
    container: str,
    codec: str,
    rate_hz: int,
    samples: np.ndarray,
    options: dict[str, str] | None = None,
    move: Callable[[float], float | None] = lambda moment: moment,
    film: bool = False,
    header: dict[str, str] | None = None,
) -> bytes:
    """Return float32 [samples] or [samples, channels] as a file made by PyAV.

    Args:
        container: FFmpeg's name of the format.
        codec: That of the encoder.
        rate_hz: Of the samples.
        samples: In [-1, 1].
        options: Of the encoder.
        move: Takes the second of a packet and returns the one that it is stored with, or None to leave it out.
        film: Whether there is a picture at the second 0.
        header: Options of the format.
    """
    samples = samples.reshape(len(samples), -1)
    layout = {1: "mono", 2: "stereo"}.get(samples.shape[1], f"{samples.shape[1]} channels")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=header or {}) as output:
        stream = output.add_stream(codec, rate=rate_hz, options=options or {})
        stream.layout = layout
        if film:
            video = output.add_stream("mpeg1video" if container == "mpeg" else "mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            output.mux([*video.encode(av.VideoFrame(64, 48, "yuv420p")), *video.encode()])

        def mux(packets: list[av.Packet]) -> None:
            for packet in packets:
                moment = None if packet.pts is None else move(float(packet.pts * packet.time_base))
                if moment is not None:
                    packet.pts = packet.dts = round(moment / packet.time_base)
                    output.mux(packet)

        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate_hz)
        for start in range(0, len(samples), 960):
            block = np.ascontiguousarray(samples[start : start + 960]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            for converted in resampler.resample(frame):
                mux(stream.encode(converted))
        mux(stream.encode(None))
    return buffer.getvalue()


def encoded_tone(name: str, seconds: float = 2.0) -> bytes:
    """Return a tone as the kind of file that ``name`` stands for in ENCODERS or SUBTYPES."""
    if name in ENCODERS:
        codec, rate_hz = ENCODERS[name]
        suffix = Path(name).suffix[1:]
        container = {"m4a": "mp4", "aac": "adts", "mkv": "matroska"}.get(suffix, suffix)
        return encode(container, codec, rate_hz, tone(seconds, rate_hz))
    buffer = io.BytesIO()
    kind = Path(name).suffix[1:].upper()
    soundfile.write(buffer, tone(seconds, 44100), 44100, SUBTYPES[name], format=kind)
    return buffer.getvalue()


def wav_header(rate_hz: int, samples: bytes, channels: int = 1, code: int = 1, bits: int = 16) -> bytes:
    frame_bytes = channels * bits // 8
    byte_rate = min(rate_hz * frame_bytes, 2**32 - 1)
    fmt = struct.pack("<HHIIHH", code, channels, rate_hz, byte_rate, frame_bytes, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def caf_with_channel_order(samples: np.ndarray, labels: tuple[int, ...]) -> bytes:
    """Return int16 [samples, channels] as a CAF file that lists its channels one by one."""
    channels = len(labels)
    order = struct.pack(">III", 0, 0, channels)
    order += b"".join(struct.pack(">IIfff", label, 0, 0, 0, 0) for label in labels)
    description = struct.pack(">d4sIIIII", 48000.0, b"lpcm", 0, 2 * channels, 1, channels, 16)
    data = struct.pack(">I", 0) + samples.astype(">i2").tobytes()
    chunks = ((b"desc", description), (b"chan", order), (b"data", data))
    packed = (name + struct.pack(">q", len(content)) + content for name, content in chunks)
    return b"caff" + struct.pack(">HH", 1, 0) + b"".join(packed)


def load_bytes(
    folder: Path, content: bytes, name: str = "sound.bin", limits: AudioLimits = GALLERY_LIMITS
) -> audio.Recording:
    path = folder / name
    path.write_bytes(content)
    return audio.load(path, limits)


def refusal(folder: Path, content: bytes, name: str = "sound.bin", limits: AudioLimits = GALLERY_LIMITS) -> str:
    with pytest.raises(AudioError) as caught:
        load_bytes(folder, content, name, limits)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert str(folder) not in message
    return message


def strongest_hz(waveform: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(waveform.size)))
    return float(spectrum.argmax() * SAMPLE_RATE_HZ / waveform.size)


def picture_stream(container: str, with_sound: bool) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        video = output.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("aac", rate=16000, layout="mono") if with_sound else None
        for _ in range(25):
            output.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        output.mux(video.encode())
        for start in range(0, 16000, 1000) if sound else ():
            frame = av.AudioFrame.from_ndarray(tone(1)[np.newaxis, start : start + 1000], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
            output.mux(sound.encode(frame))
        if sound:
            output.mux(sound.encode())
    return buffer.getvalue()


def load_or_refuse(path: Path, content: bytes) -> audio.Recording | AudioError:
    path.write_bytes(content)
    try:
        return audio.load(path, GALLERY_LIMITS)
    except AudioError as error:
        return error
