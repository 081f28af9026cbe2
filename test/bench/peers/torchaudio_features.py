"""torchaudio's mel bands of a folder of WAV files of 16 bits at 16 kHz, on the CPU.

  /usr/bin/python3 torchaudio_features.py FOLDER [--threads 2]

Prints one JSON object: the seconds of a pass over all recordings, after another one to warm up. The
files are read with Python's `wave`, which is faster than `torchaudio.load`.
"""
import argparse, glob, json, os, time, wave
from blas import fast_blas
import torch
import torchaudio


def waveform(path):
    with wave.open(path) as file:
        samples = torch.frombuffer(bytearray(file.readframes(file.getnframes())), dtype=torch.int16)
    return samples.float() / 32768


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    blas = fast_blas(torch)
    mel = torchaudio.transforms.MelSpectrogram(
        16000, n_fft=512, win_length=400, hop_length=160, n_mels=40, center=False, norm=None, mel_scale="htk")
    files = glob.glob(os.path.join(a.folder, "*.wav"))
    with torch.no_grad():
        for _ in range(2):
            start = time.perf_counter()
            for path in files:
                torch.log(torch.clamp(mel(waveform(path)), min=1e-10)).T.contiguous()
            seconds = time.perf_counter() - start
    print(json.dumps(dict(peer="torchaudio", torchaudio=torchaudio.__version__, blas=blas,
                          threads=torch.get_num_threads(), recordings=len(files), seconds=round(seconds, 4))))


main()
