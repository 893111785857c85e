"""The lecture: moves, tells the time, sounds like speech, and costs what was asked."""

import io

import av
import numpy as np
import pytest

from carnet.errors import MisuseError
from carnet.lab.call import lecture, media


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def test_the_picture_moves_and_repeats_itself_for_the_same_seed() -> None:
    one, same, other = (lecture.Picture(320, 176, seed) for seed in (1, 1, 2))
    assert one.frame(10).shape == (176 * 3 // 2, 320)
    assert np.array_equal(one.frame(10), same.frame(10))
    assert not np.array_equal(one.frame(10), other.frame(10))
    changed = (one.frame(10) != one.frame(11)).mean()
    assert changed > 0.01


def test_a_new_slide_is_pushed_in() -> None:
    picture = lecture.Picture(320, 176, 1)
    standing, pushed = 25, round((lecture.SLIDE_S - lecture.PUSH_S / 2) * lecture.FRAMES_PER_S)
    still = (picture.frame(standing) != picture.frame(standing + 1)).mean()
    assert (picture.frame(standing) != picture.frame(pushed)).mean() > 2 * still


def test_the_sound_has_syllables_and_pauses() -> None:
    sound = lecture.speech(20, seed=1).astype(float)
    loudness = np.sqrt((sound[: 20 * 48_000].reshape(-1, 960) ** 2).mean(axis=1))
    quiet = (loudness < 0.02 * loudness.max()).mean()
    assert 0.05 < quiet < 0.5
    assert len(sound) == 20 * lecture.SAMPLE_HZ


def test_the_recordings_have_the_rates_asked_for_and_can_be_seen_and_heard() -> None:
    picture = media.video(320, 176, 150_000, seed=1)
    assert len(picture.units) == media.LOOP_S * lecture.FRAMES_PER_S
    assert picture.bits_per_s == pytest.approx(150_000, rel=0.1)
    codec = av.CodecContext.create("vp8", "r")
    shown = [frame for unit in picture.units[:30] for frame in codec.decode(av.Packet(unit))]
    assert len(shown) == 30
    told = shown[20].to_ndarray()[:176].astype(float)
    drawn = lecture.Picture(320, 176, 1).frame(20)[:176].astype(float)
    assert np.abs(told - drawn).mean() < 12, "what is decoded is what was drawn"
    sound = media.audio(seed=1)
    assert len(sound.units) == media.LOOP_S * 50
    assert sound.bits_per_s == pytest.approx(media.AUDIO_BPS, rel=0.05)


def test_a_recording_is_kept_and_a_broken_one_is_made_again() -> None:
    first = media.video(320, 176, 150_000, seed=1)
    (kept,) = media.cache_dir().glob("vp8-320x176-150000-1-*.npz")
    assert media.video(320, 176, 150_000, seed=1) == first
    kept.write_bytes(kept.read_bytes()[:500])
    assert media.video(320, 176, 150_000, seed=1) == first
    with np.load(io.BytesIO(kept.read_bytes())) as whole:
        assert len(whole["lengths"]) == len(first.units)


def test_a_picture_no_codec_takes_is_refused() -> None:
    with pytest.raises(MisuseError, match="multiples of 16"):
        media.video(100, 100, 150_000, seed=1)
