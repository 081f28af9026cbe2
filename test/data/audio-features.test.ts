/** Samples as sox reads them; features and rate conversion as by torchaudio; streams like files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { RateConverter } from '../../src/data/audio/rate.js';
import { BandPowers } from '../../src/data/audio/spectrum.js';
import { WavFile } from '../../src/data/formats/wav.js';
import { memoryBytes } from '../../src/data/reading/ranged-file.js';
import { packageRoot } from '../../src/util/root.js';
import { differenceIn, type FeatureCase, featuresOf, formOf } from '../support/audio-features.js';
import { complaints } from '../support/data-files.js';
import { tone, wav } from '../support/wav.js';

const fixture = (name: string) =>
  JSON.parse(readFileSync(join(packageRoot, 'test/fixtures/audio', name), 'utf8'));

interface EncodingCase {
  readonly name: string;
  readonly rate: number;
  readonly channels: number;
  readonly wav: string;
  readonly samples: readonly number[];
}

const opened = (bytes: Buffer, name = 'a.wav') => new WavFile(memoryBytes(name, bytes));
const samplesOf = (file: WavFile, channel?: number) =>
  [...file.samples({ channel })].flatMap(piece => [...piece]);

t.test('every encoding has the samples that sox reads', async t => {
  const cases: readonly EncodingCase[] = fixture('encodings.json');
  t.equal(cases.length, 26);
  for (const { name, rate, channels, wav: encoded, samples } of cases) {
    const file = opened(Buffer.from(encoded, 'base64'));
    t.same([file.rate, file.channels, file.length], [rate, channels, samples.length / channels], name);
    const frames = Array.from({ length: file.length }, (_, i) =>
      samples.slice(i * channels, (i + 1) * channels),
    );
    // sox reads numbers as integers of 32 bits
    const isExact = !name.startsWith('float');
    const isSame = (got: readonly number[], want: readonly number[]) =>
      got.length === want.length &&
      got.every((value, i) => Math.abs(value - want[i]) <= (isExact ? 0 : 2 ** -31));
    for (let channel = 0; channel < channels; channel++) {
      const want = frames.map(frame => frame[channel]);
      t.ok(isSame(samplesOf(file, channel), want), `${name}: channel ${channel}`);
    }
    const mean = frames.map(frame => frame.reduce((sum, value) => sum + value, 0) / channels);
    t.ok(isSame(samplesOf(file), mean), `${name}: all channels`);
  }
});

/** Replaces bytes of a recording. */
const changed = (at: number, ...bytes: readonly number[]): Buffer => {
  const whole = wav(tone(440, 100));
  whole.set(bytes, at);
  return whole;
};

t.test('damaged and other files are located errors', async t => {
  const cut = (length: number) => wav(tone(440, 100)).subarray(0, length);
  const extended = Buffer.from(`RIFF....WAVEJUNK\x03\0\0\0abc\0${cut(244).toString('latin1', 12)}`, 'latin1');
  t.same(samplesOf(opened(extended)), samplesOf(opened(cut(244))), 'other chunks are skipped');
  const followed: readonly (readonly [string, string])[] = [
    ['a chunk', 'LIST\x04\0\0\0INFO'],
    ['a padded chunk and another', 'LIST\x01\0\0\0x\0abcd\0\0\0\0'],
    ['a byte of padding', '\0LIST\x04\0\0\0INFO'],
    ['zeros', '\0'.repeat(50)],
    ['ID3', `TAG${'title'.padEnd(125)}`],
    ['less than a chunk', 'abc'],
  ];
  for (const [what, text] of followed)
    t.same(
      samplesOf(opened(Buffer.concat([cut(244), Buffer.from(text, 'latin1')]))),
      samplesOf(opened(cut(244))),
      `samples before ${what}`,
    );
  for (const size of [
    [0xff, 0xff, 0xff, 0xff],
    [0, 0xf0, 0xff, 0x7f],
    [0, 0, 0, 0],
  ])
    t.same(samplesOf(opened(changed(40, ...size))), samplesOf(opened(cut(244))), `size ${size} of a stream`);
  const silent = wav([...new Array<number>(3000).fill(0), ...tone(440, 100)]);
  silent.writeUInt32LE(0, 40);
  t.equal(opened(silent).length, 3100, 'a stream that begins with silence');
  const rf64 = Buffer.concat([
    Buffer.from('RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0', 'latin1'),
    Buffer.from(BigUint64Array.of(300n, 200n, 100n).buffer),
    Buffer.alloc(4),
    changed(40, 0xff, 0xff, 0xff, 0xff).subarray(12),
  ]);
  t.same(samplesOf(opened(rf64)), samplesOf(opened(cut(244))), 'RF64');
  const large = Buffer.from(rf64);
  large.writeBigUInt64LE(2n ** 33n, 28);
  const samples = Buffer.alloc(8);
  samples.writeFloatLE(Number.NaN, 4);
  const float = Buffer.concat([changed(20, 3).subarray(0, 44), samples]);
  float.set([4, 0, 32, 0], 32);
  float.set([8, 0, 0, 0], 40);
  const cases: readonly (readonly [Buffer, string])[] = [
    [cut(0), 'data/wav | the file is empty'],
    [cut(5), 'data/wav 0 | the file ends too early | expected 12 bytes | got 5 bytes'],
    [cut(30), 'data/wav 20 | the file ends too early | expected 16 bytes | got 10 bytes'],
    [cut(36), 'data/wav | the file has no samples (chunk "data")'],
    [cut(100), 'data/wav 44 | the file ends too early | expected 200 bytes | got 56 bytes'],
    [large, `data/wav 80 | the file ends too early | expected ${2 ** 33} bytes | got 200 bytes`],
    [changed(12, 0x66, 0x6d, 0x74, 0), 'data/wav | the file has no format (chunk "fmt ")'],
    [changed(22, 0, 0), 'data/wav | the recording has no channels'],
    [
      changed(24, 0, 0, 0, 0),
      'data/wav | the sample rate is out of range | expected 100 to 1048576 Hz | got 0 Hz',
    ],
    [
      changed(24, 1, 0, 0, 0),
      'data/wav | the sample rate is out of range | expected 100 to 1048576 Hz | got 1 Hz',
    ],
    [
      changed(32, 3),
      'data/wav | the header contradicts itself | expected 2 bytes per sample of all channels | got 3',
    ],
    [
      changed(20, 2),
      'data/wav | the encoding of the recording is not supported | expected PCM, floating point, A-law or mu-law; to convert it: ffmpeg -i "a.wav" "a-pcm.wav" | got format 2 with 16 bits',
    ],
    [changed(40, 199), 'data/wav 242 | the recording ends within a sample'],
    [changed(40, 0).subarray(0, 44), 'data/wav 44 | the recording has no samples'],
    [
      changed(40, 100),
      'data/wav 144 | the samples end here by the header, but what follows is no chunk | expected the size of all samples; to write it: sox --ignore-length "a.wav" "a-pcm.wav" | got 100 more bytes',
    ],
    [
      Buffer.concat([changed(40, 192).subarray(0, 236), Buffer.from('\x80abcd\0\0\0', 'latin1')]),
      'data/wav 236 | the samples end here by the header, but what follows is no chunk | expected the size of all samples; to write it: sox --ignore-length "a.wav" "a-pcm.wav" | got 8 more bytes',
    ],
    [
      Buffer.concat([changed(40, 0).subarray(0, 44), Buffer.from('LIST\x04\0\0\0abcd')]),
      'data/wav 44 | the recording has no samples',
    ],
    [float, 'data/not-finite 48 | a sample is not a finite float32 number | got NaN'],
    [
      Buffer.from('fLaC\0\0\0\x22 and so on'),
      'data/audio-format | the file is FLAC, not WAV | expected WAV; to convert it: ffmpeg -i "a.wav" "a-pcm.wav"',
    ],
    [
      Buffer.from('short'),
      'data/audio-format | the file is not a WAV recording | expected WAV; to convert it: ffmpeg -i "a.wav" "a-pcm.wav"',
    ],
    [
      Buffer.from('a plain text file'),
      'data/audio-format | the file is not a WAV recording | expected WAV; to convert it: ffmpeg -i "a.wav" "a-pcm.wav"',
    ],
  ];
  for (const [bytes, message] of cases)
    t.same(await complaints(5, () => samplesOf(opened(bytes))), [message]);
});

const doubles = (text: string) => new Float64Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

const { features, resampled, spectra } = fixture('features.json');

t.test('features are those of torchaudio', async t => {
  for (const one of features as readonly FeatureCase[]) t.equal(differenceIn(one), undefined, one.name);
  t.match(differenceIn({ ...features[0], rate: 7990 }), / of /, 'another rate is noticed');
});

t.test("power spectra are those of NumPy's FFT, to float32", async t => {
  for (const { frame, power } of spectra) {
    const want = doubles(power);
    const samples = Float64Array.from(doubles(frame));
    const { frames, powers, compute } = new BandPowers(samples.length, []);
    for (const [n, sample] of samples.entries()) frames.set([-sample, sample], 2 * n);
    compute();
    const got = powers.filter((_, i) => i % 2 === 1);
    t.same(
      powers.filter((_, i) => i % 2 === 0),
      got,
      'both lanes are computed alike',
    );
    t.equal(got.length, want.length);
    const largest = want.reduce((most, value) => Math.max(most, value), 0);
    const worst = want.reduce((most, value, k) => Math.max(most, Math.abs(value - got[k])), 0);
    t.ok(worst <= 2 ** -24 * largest, `${samples.length} samples: ${worst} of ${largest}`);
  }
});

t.test('converted rates are those of torchaudio', async t => {
  for (const { from, to, samples, resampled: expected } of resampled) {
    const converter = RateConverter.between(from, to) as RateConverter;
    const got = [...converter.push(doubles(samples)), ...converter.end()];
    const want = doubles(expected);
    t.equal(got.length, want.length, `${from} to ${to}`);
    const worst = want.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i])), 0);
    t.ok(worst < 1e-5, `${from} to ${to}: ${worst}`);
  }
});

t.test('streams in any pieces have the features of the whole', async t => {
  const settings = fc.record({
    kind: fc.constantFrom('log_mel', 'mfcc', 'raw'),
    window: fc.constantFrom(2, 8, 25),
    hop: fc.constantFrom(1, 10, 40),
    bands: fc.constantFrom(5, 13),
    coefficients: fc.constant(4),
    fft_size: fc.constant(256),
    deltas: fc.integer({ min: 0, max: 2 }),
  });
  const rates = fc.constantFrom(8000, 11025, 6000);
  fc.assert(
    fc.property(
      settings,
      rates,
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 500 }),
      (keys, rate, length, size) => {
        const form = formOf(keys, 8000);
        const samples = Float64Array.from(tone(300, length, rate));
        const whole = featuresOf(samples, form, { rate });
        t.same(whole.length, form.stepsOf(Math.ceil((length * 8000) / rate)) * form.size);
        t.same(featuresOf(samples, form, { rate, size }), whole);
      },
    ),
    { numRuns: 60 },
  );
});

t.test('settings that do not fit the rate are located', async t => {
  const cases: readonly (readonly [object, string])[] = [
    [{ hop: 0.01 }, 'data/features | at 8000 Hz, this is less than a sample'],
    [{ fft_size: 128 }, 'data/features | at 8000 Hz, a frame has more samples | expected at least 200'],
    [
      { max_frequency: 4001 },
      'data/features | recordings at 8000 Hz have no such frequency | expected at most 4000',
    ],
    [{ min_frequency: 4000 }, 'data/features | the bands have no frequencies | expected below 4000'],
    [
      { bands: 128 },
      'data/features | band 0 of 128 is narrower than a bin of the FFT (31.25 Hz) | expected fewer bands, or a larger `fft_size`',
    ],
  ];
  for (const [keys, message] of cases)
    t.same(await complaints(2, () => formOf({ kind: 'log_mel', ...keys }, 8000)), [message]);
});
