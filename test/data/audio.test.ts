/** Recordings as a dataset: names, splits, rates, channels, and predictions of new recordings. */

import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { DatasetConfig } from '../../src/data/index.js';
import { jsonLines } from '../support/cli.js';
import { classes, complaints, open, sequence } from '../support/data-files.js';
import { callInProcess } from '../support/in-process.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const config = (path: string, more: object = {}): DatasetConfig =>
  ({
    kind: 'audio',
    path,
    pattern: '{label}_{speaker}_{take}',
    target: 'label',
    target_kind: 'class',
    features: { kind: 'raw', window: 1, hop: 1 },
    ...more,
  }) as DatasetConfig;

/** Multiples of 1/64, which 16 bits hold almost exactly. */
const ramp = (length: number, step = 1) => Array.from({ length }, (_, i) => ((step * i) % 64) / 64);
const near = (got: readonly number[], want: readonly number[]) =>
  got.length === want.length && got.every((value, i) => Math.abs(value - want[i]) < 1e-4);

t.test('labels, groups and splits are those of the names', async t => {
  const names = ['yes_anna_0', 'no_anna_0', 'yes_theo_0', 'no_theo_0', 'yes_kim_0', 'no_kim_0'];
  const files = Object.fromEntries(names.map((name, i) => [`${name}.wav`, wav(ramp(16 + 8 * i, i))]));
  const path = work.files({ ...files, 'no_kim_1.wav.gz': gzipSync(wav(ramp(4))) });
  const data = await open(config(path, { test: { group: 'speaker', is: 'theo' } }));
  t.same(data.classLabels, ['no', 'yes']);
  t.same(data.groupedBy, ['speaker']);
  const ids = (split: typeof data.train) => Array.from({ length: split.count }, (_, i) => split.id?.(i));
  t.same(ids(data.test), ['no_theo_0.wav', 'yes_theo_0.wav']);
  t.same(ids(data.train), [
    'no_anna_0.wav',
    'no_kim_0.wav',
    'no_kim_1.wav.gz',
    'yes_anna_0.wav',
    'yes_kim_0.wav',
  ]);
  t.same(classes(data.train), [0, 0, 0, 1, 1]);
  t.same([...(data.train.lengths ?? [])], [3, 7, 1, 2, 6]);
  t.same(data.input, { kind: 'number', size: 8 });
  t.same(data.recordings, { sampleRate: 8000, stepSeconds: 0.001, counts: new Map([[8000, 7]]) });
  t.ok(near(sequence(data, data.train, 0).flat().slice(0, 24), ramp(24, 1)), 'the samples in frames');
  t.ok(near(sequence(data, data.train, 2).flat().slice(0, 8), [...ramp(4), 0, 0, 0, 0]), 'a short one');

  const nested = work.files({ 'train/up/anna-1.wav': wav(ramp(8)), 'train/down/theo-2.wav': wav(ramp(8)) });
  const words = await open(
    config(join(nested, 'train/*/*.wav'), {
      pattern: '{word}/{speaker}-{take}',
      target: 'word',
      test_fraction: 0.5,
    }),
  );
  t.same(words.classLabels, ['down', 'up']);
});

t.test('targets are numbers or symbols, too', async t => {
  const path = work.files({ '3.5_ab.wav': wav(ramp(8)), '1_ba.wav': wav(ramp(8)) });
  const more = { pattern: '{number}_{letters}', test_path: path };
  const values = await open(config(path, { ...more, target: 'number', target_kind: 'value' }));
  t.same([...values.train.targets.values], [1, 3.5]);
  const symbols = { target: 'letters', target_kind: 'sequence', target_level: 'character' };
  const letters = await open(config(path, { ...more, ...symbols }));
  t.same([...letters.train.targets.values], [1, 0, 0, 1]);
});

t.test('channels and rates', async t => {
  const stereo = ramp(16).flatMap((sample, i) => [sample, i / 16]);
  const path = work.files({
    'a_b_0.wav': wav(stereo, { channels: 2 }),
    'c_d_0.wav': wav(stereo, { channels: 2 }),
  });
  const first = async (channel: string | number) => {
    const data = await open(config(path, { test_path: path, channel }));
    return sequence(data, data.train, 0).flat();
  };
  t.ok(near(await first(0), ramp(16)));
  t.ok(near(await first(1), ramp(16, 4)));
  t.ok(
    near(
      await first('mix'),
      ramp(16).map((sample, i) => (sample + i / 16) / 2),
    ),
  );
  t.same(await complaints(5, () => first(2)), [
    'data/wav | the recording has no channel 2 | got 2 channels',
    'data/wav | the recording has no channel 2 | got 2 channels',
  ]);

  const rates = work.files({
    'a_b_0.wav': wav(tone(200, 800)),
    'c_d_0.wav': wav(tone(200, 1600, 16000), { rate: 16000 }),
  });
  t.same(await complaints(5, () => open(config(rates, { test_path: rates }))), [
    `data/sample-rate | the recording has 16000 samples per second, but ${join(rates, 'a_b_0.wav')} has 8000 | expected recordings with the same rate, or \`dataset.rate: 8000\` to convert them`,
  ]);
  const { stdout } = await work.cellrun(
    'data',
    work.config({
      dataset: config(rates, { test_fraction: 0.5, rate: 8000 }),
      model: { cell: 'gru', hidden_size: 2 },
      training: { num_epochs: 1, batch_size: 2 },
    }),
  );
  t.match(
    stdout,
    'recordings at 8000 Hz; 1 converted from 16000 Hz; a step every 1 ms; 0.1 s in train, 0.1 s in test',
  );
  const converted = await open(config(rates, { test_path: rates, rate: 8000 }));
  const [one, other] = [0, 1].map(index => sequence(converted, converted.train, index).flat());
  // without the ends, where the filter reads the silence around the recording
  const worst = one
    .slice(40, 760)
    .reduce((most, value, i) => Math.max(most, Math.abs(value - other[i + 40])), 0);
  t.ok(worst < 0.01, `the same tone at both rates: ${worst}`);
});

t.test('data shows the waveform and the spectrogram of recordings', async t => {
  const sine = Array.from({ length: 4000 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 1000 * i) / 8000));
  const path = work.files({
    'a_b_0.wav': wav([...new Array<number>(4000).fill(0), ...sine]),
    'c_d_0.wav': wav(sine),
    'a_z_0.wav': wav(sine),
  });
  const file = work.config({
    dataset: config(path, { test: { group: 'speaker', is: 'z' } }),
    model: { cell: 'gru', hidden_size: 2 },
    training: { num_epochs: 1, batch_size: 2 },
  });
  const { stdout } = await work.cellrun('data', file, '--json');
  const [{ recording }] = JSON.parse(stdout).examples;
  const { waveform, spectrogram } = recording;
  t.match(recording, { seconds: 1, highest_frequency: 4000 });
  t.same([waveform.length, spectrogram.length, spectrogram[0].length], [60, 10, 60]);
  t.same(waveform.slice(0, 30), new Array(30).fill(0));
  t.ok(waveform.slice(30).every((peak: number) => Math.abs(peak - 0.5) < 1e-3));
  // 1000 Hz are 1000 mel, 5.13 / 11 of the 2146 mel of 4000 Hz: near the centre of the fifth band
  t.ok(spectrogram[5].slice(32).every((power: number) => power > 250));
  t.ok(
    spectrogram[0].slice(34).every((power: number) => power < 60),
    'nothing near 4000 Hz',
  );
  t.same(
    spectrogram.map((row: number[]) => row[10]),
    new Array(10).fill(0),
    'silence',
  );
  const text = (await work.cellrun('data', file)).stdout;
  t.match(text, /^a_b_0\.wav: 1000 steps -> a, 1 s\n {2}_{30}@{30} {2}0 to 0\.5\n.* {2}4000 Hz\n/m);
});

t.test('tables list recordings and parts of them', async t => {
  const path = work.files({
    'sounds/long.wav': wav(ramp(64)),
    'sounds/short_theo.wav': wav(ramp(8)),
    'parts.csv': [
      'file,from,to,word,speaker',
      'sounds/long.wav,0,0.002,one,anna',
      'sounds/short_theo.wav,0,0.001,two,theo',
      'sounds/long.wav,0.004,0.008,two,anna',
      'sounds/long.wav,0.004,0.006,,anna',
      'sounds/long.wav,0.001,0.002,one,kim',
    ].join('\n'),
    'wrong.csv':
      'file,from,to,word,speaker\nsounds/long.wav,0.001,0.0095,one,anna\nsounds/long.wav,x,1,one,kim\n',
  });
  const table = (name: string, more: object = {}) =>
    config(join(path, name), {
      ...{ path_column: 'file', start: 'from', end: 'to', pattern: undefined, target: 'word' },
      ...{ test: { group: 'speaker', is: 'theo' }, ...more },
    });
  const data = await open(table('parts.csv'));
  const ids = Array.from({ length: 3 }, (_, i) => data.train.id?.(i));
  t.same(ids, ['sounds/long.wav:0-0.002', 'sounds/long.wav:0.004-0.008', 'sounds/long.wav:0.001-0.002']);
  t.same(data.classLabels, ['one', 'two']);
  t.equal(data.unlabelled, 1);
  t.type(data.firstUnlabelled, 'string');
  t.same([...(data.train.lengths ?? [])], [2, 4, 1]);
  t.ok(near(sequence(data, data.train, 1).flat(), ramp(64).slice(32)), 'the part of the recording');
  t.same(
    data.digests.map(({ name }) => basename(name)),
    ['parts.csv', 'long.wav', 'short_theo.wav'],
  );
  t.same(await complaints(5, () => open(table('wrong.csv'))), [
    'data/csv-number 3 | the cell is not a number | expected a finite number | got "x"',
  ]);
  const late = table('wrong.csv', { start: undefined, test: { group: 'speaker', is: 'kim' } });
  t.same(await complaints(5, () => open(late)), [
    'data/audio-part 2 | the recording has no such part | expected 0 <= start < end <= 0.008 seconds | got 0 to 0.0095',
    'data/audio-part 3 | the recording has no such part | expected 0 <= start < end <= 0.008 seconds | got 0 to 1',
  ]);
  t.match(await complaints(2, () => open(table('parts.csv', { end: 'until' }))), [/has no column "until"/]);
  writeFileSync(
    join(path, 'rounded.csv'),
    'file,from,to,word,speaker\nsounds/long.wav,0.004,0.009,one,anna\nsounds/short_theo.wav,0,0.001,two,theo\n',
  );
  const rounded = await open(table('rounded.csv'));
  t.ok(near(sequence(rounded, rounded.train, 0).flat(), ramp(64).slice(32)), 'a frame too far: to the end');

  const run = await work.train({
    dataset: table('parts.csv'),
    model: { cell: 'gru', hidden_size: 2 },
    training: { num_epochs: 1, batch_size: 2 },
  });
  const predicted = async (input: string) => {
    const { stdout } = await work.cellrun('predict', run.directory, '--input', join(path, input));
    return jsonLines(stdout);
  };
  const rows = await predicted('parts.csv');
  t.same(
    rows.map(({ id }) => id),
    [...ids.slice(0, 1), 'sounds/short_theo.wav:0-0.001', ids[1], 'sounds/long.wav:0.004-0.006', ids[2]],
  );
  writeFileSync(
    join(path, 'some.csv'),
    `file,from,to,word\n${['0,0.002', 'x,0.002', '0,', '0.002,0.001', '0,0.002,', '0.004,0.008'].map(part => `sounds/long.wav,${part},one\n`).join('')}none.wav,0,1,one\n`,
  );
  const some = (verb: string) =>
    work.cellrun(verb, run.directory, '--input', join(path, 'some.csv'), '--on-error', 'skip');
  const read = await some('predict');
  t.match(read.stderr, /skipped 5 of 7 sequences/);
  for (const place of ['some.csv:3', 'some.csv:4', 'some.csv:5', 'some.csv:6', 'none.wav'])
    t.match(read.stderr, `${place}:`);
  t.same(
    jsonLines(read.stdout).map(line => line.id),
    [ids[0], ids[1]],
  );
  t.match((await some('evaluate')).stdout, /over 2 predictions/);
  const [whole] = await predicted('sounds/short_theo.wav');
  t.same(whole.probabilities, rows[1].probabilities, 'a recording by itself');
  const { stdout } = await work.cellrun(
    'evaluate',
    run.directory,
    '--input',
    join(path, 'parts.csv'),
    '--json',
  );
  t.match(JSON.parse(stdout), { predictions: 4 });
});

t.test('JSON Lines list recordings like tables', async t => {
  const rows = [
    { file: 'long.wav', from: 0, to: 0.002, word: 1, speaker: 'anna' },
    { word: 'two', file: 'short.wav', from: '0', to: '0.001', speaker: 'theo', more: [1] },
    { file: 'long.wav', from: 0.004, to: 0.008, word: 'two', speaker: 'anna' },
    { file: 'long.wav', from: 0.004, to: 0.006, word: null, speaker: 'anna' },
  ];
  const lines = (records: readonly unknown[]) => records.map(one => `${JSON.stringify(one)}\n`).join('');
  const cells = rows.map(row => `${row.file},${row.from},${row.to},${row.word ?? ''},${row.speaker}\n`);
  const path = work.files({
    ...{ 'long.wav': wav(ramp(64)), 'short.wav': wav(ramp(8)) },
    'parts.jsonl': lines(rows),
    'packed.ndjson.gz': gzipSync(lines(rows)),
    'parts.csv': `file,from,to,word,speaker\n${cells.join('')}`,
    'wrong.jsonl': `${lines([{ ...rows[0], from: 'x' }, { file: 'long.wav' }, { ...rows[0], file: [1] }, 5])}`,
  });
  const listed = (name: string) =>
    config(join(path, name), {
      ...{ path_column: 'file', start: 'from', end: 'to', pattern: undefined, target: 'word' },
      test: { group: 'speaker', is: 'theo' },
    });
  const facts = async (name: string) => {
    const data = await open(listed(name));
    const ids = Array.from({ length: data.train.count }, (_, i) => data.train.id?.(i));
    return {
      ids,
      classes: classes(data.train),
      labels: data.classLabels,
      lengths: data.train.lengths,
      left: data.unlabelled,
    };
  };
  const want = await facts('parts.csv');
  t.match(want, { labels: ['1', 'two'], left: 1 });
  t.same(await facts('parts.jsonl'), want);
  t.same(await facts('packed.ndjson.gz'), want);
  const fields = ['from', 'to', 'word', 'speaker'];
  t.same(await complaints(5, () => open(listed('wrong.jsonl'))), [
    'data/csv-number 1:20+6 | the cell is not a number | expected a finite number | got "x"',
    ...fields.map(
      name =>
        `data/jsonl-missing-field 2:1+19 | the record has no field "${name}" | expected this field in every record`,
    ),
    'data/jsonl-value 3:2+6 | field "file" has an invalid value | expected a string, a number or a boolean | got [1]',
    'data/jsonl-line 4:1+1 | the line is not a JSON object | expected one JSON object per line',
  ]);
  const run = await work.train({
    dataset: listed('parts.jsonl'),
    ...{ model: { cell: 'gru', hidden_size: 2 }, training: { num_epochs: 1, batch_size: 2 } },
  });
  const predicted = async (...args: string[]) =>
    (await work.cellrun('predict', run.directory, ...args)).stdout;
  const all = await predicted('--input', join(path, 'parts.jsonl'));
  t.equal(all.trim().split('\n').length, 4);
  t.equal(await predicted('--input', join(path, 'parts.csv')), all, 'the name tells the format');
});

t.test('recordings that a table names but that are not there are problems of its rows', async t => {
  const path = work.files({
    'sounds/a.wav': wav(ramp(8)),
    'list.csv': 'file,word\nsounds/a.wav,one\nsounds/b.wav,two\nsounds/a.wav,two\nc.wav,one\n',
  });
  const listed = { path_column: 'file', pattern: undefined, target: 'word', test_fraction: 0.5 };
  t.same(await complaints(5, () => open(config(join(path, 'list.csv'), listed))), [
    'data/unreadable 3 | sounds/b.wav: the file does not exist | try sounds/a.wav',
    'data/unreadable 5 | c.wav: the file does not exist',
  ]);
});

t.test('wrong names and files are located', async t => {
  const path = work.files({
    'a_b_0.wav': wav(ramp(8)),
    'a_b_c_d.wav': wav(ramp(8)),
    'b_c.wav': wav(ramp(8)),
  });
  const wrong =
    'data/audio-name | the name of the file does not match the pattern | expected {label}_{speaker}_{take}';
  t.same(await complaints(5, () => open(config(path, { test_fraction: 0.5 }))), [wrong, wrong]);
  t.same(await complaints(2, () => open(config(path, { target: 'lable', test: { column: 'tke', is: 0 } }))), [
    'data/audio-field | the pattern has no field "lable" | expected one of label, speaker, take',
    'data/audio-field | the pattern has no field "tke" | expected one of label, speaker, take',
  ]);
  const dataset = { ...config(join(path, 'no')), test_fraction: 0.5, obtain: 'git clone it' };
  const absent = work.config({
    ...{ dataset, model: { cell: 'gru', hidden_size: 2 }, training: { num_epochs: 1, batch_size: 2 } },
  });
  t.match(await work.cellrun('run', absent), {
    code: 2,
    stderr: /does not exist\n.*\n.*\n {2}expected: the data, by: git clone it/,
  });
  const broken = work.files({
    'a_b_0.wav': Buffer.from('ID3 and so on…'),
    'b_b_0.wav': wav(ramp(8)).subarray(0, 50),
  });
  t.same(await complaints(5, () => open(config(broken, { test_fraction: 0.5 }))), [
    `data/audio-format | the file is MP3, not WAV | expected WAV; to convert it: ffmpeg -i "${join(broken, 'a_b_0.wav')}" "${join(broken, 'a_b_0-pcm.wav')}"`,
    'data/wav 44 | the file ends too early | expected 16 bytes | got 6 bytes',
  ]);
});

t.test('a run predicts new recordings as it evaluates them', async t => {
  const recording = (hertz: number, take: number, rate = 8000) =>
    wav(tone(hertz + 5 * take, (rate / 8000) * (800 + 40 * take), rate), { rate });
  const files = Array.from({ length: 24 }, (_, i) => {
    const [label, hertz] = i % 2 === 0 ? ['low', 300] : ['high', 900];
    return [`${label}_${'abc'[i % 3]}_${i}.wav`, recording(hertz, i)] as const;
  });
  const path = work.files(Object.fromEntries(files));
  const run = await work.train({
    dataset: config(path, {
      features: { kind: 'log_mel', bands: 12 },
      normalize: 'standard',
      test: { group: 'speaker', is: 'c' },
    }),
    model: { cell: 'gru', hidden_size: 4, head: { from: 'last' } },
    optimizer: { kind: 'adam', learning_rate: 0.05 },
    training: { num_epochs: 4, batch_size: 8 },
  });
  t.equal(run.summary.metrics.test.accuracy, 1);
  const evaluated = await work.cellrun('predict', run.directory, '--split', 'test');
  const inputs = evaluated.stdout
    .trim()
    .split('\n')
    .map(text => join(path, JSON.parse(text).id));
  t.equal(inputs.length, 8);
  const predicted = await work.cellrun(
    'predict',
    run.directory,
    ...inputs.flatMap(input => ['--input', input]),
  );
  const probabilities = (stdout: string) => jsonLines(stdout).map(line => line.probabilities);
  t.same(probabilities(predicted.stdout), probabilities(evaluated.stdout), 'equal to the bit');
  const evaluate = (input: string) =>
    work.cellrun('evaluate', run.directory, '--input', join(path, input), '--json');
  const tested = await evaluate('*_c_*.wav');
  t.match(JSON.parse(tested.stdout), { metrics: { input: { accuracy: 1 } } });
  t.notMatch(tested.stderr, /training data/);
  t.match((await evaluate('*_a_*.wav')).stderr, /this and 7 other files have training data of the run/);

  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
  const digests = files
    .filter(([name]) => !name.includes('_c_'))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, bytes]) => sha256(bytes));
  const manifest = readFileSync(join(run.directory, 'manifest.json'), 'utf8');
  const [trained, heldOut] = JSON.parse(manifest).datasets;
  t.same(trained, {
    name: path,
    sha256: sha256(Buffer.concat(digests)).toString('hex'),
    split: 'train',
    files: 16,
    file_digests: Buffer.concat(digests.map(digest => digest.subarray(0, 6))).toString('base64'),
  });
  t.match(heldOut, { name: `${path} (held out)`, split: 'test', files: 8 });
  const changed = join(path, files[0][0]);
  writeFileSync(changed, recording(310, 0));
  t.match(await work.cellrun('predict', run.directory, '--split', 'test'), {
    code: 5,
    stderr: `${changed}: the recording was added or changed after the run was trained`,
  });
  writeFileSync(changed, files[0][1]);
  rmSync(join(path, files[1][0]));
  t.match(await work.cellrun('predict', run.directory, '--split', 'test'), {
    code: 5,
    stderr: `${path}: the data have changed since the run was trained`,
  });

  const others = work.files({
    '1.wav': recording(900, 1, 16000),
    '2.wav': Buffer.from('no recording'),
    '3.wav': recording(300, 1, 16000),
  });
  const skipped = await work.cellrun('predict', run.directory, '--input', others, '--on-error', 'skip');
  t.same(
    skipped.stdout
      .trim()
      .split('\n')
      .map(text => [JSON.parse(text).id, JSON.parse(text).predicted_name]),
    [
      ['1.wav', 'high'],
      ['3.wav', 'low'],
    ],
  );
  t.match(
    skipped.stderr,
    /1\.wav: warning: the recording has 16000 samples per second; it is converted to the 8000/,
  );
  t.match(skipped.stderr, /2\.wav: warning: the file is not a WAV recording/);
  t.notMatch(skipped.stderr, /3\.wav/, 'once is enough');
  const refused = await work.cellrun('predict', run.directory, '--input', join(others, '2.wav'));
  t.equal(refused.code, 5);
});

t.test('seeds and folds may divide a folder differently', async t => {
  const names = Array.from({ length: 12 }, (_, i) => `${i % 2 ? 'yes' : 'no'}_p${i % 3}_${i}.wav`);
  const path = work.files(Object.fromEntries(names.map((name, i) => [name, wav(ramp(16 + i, i))])));
  const experiment = (more: object, dataset: object) =>
    work.config({
      dataset: { ...config(path), ...dataset },
      model: { cell: 'gru', hidden_size: 2 },
      training: { num_epochs: 1, batch_size: 4 },
      ...more,
    });
  for (const [more, dataset] of [
    [{ repeat: 2 }, { seed: 'run', test_fraction: 0.34 }],
    [{ folds: { count: 3 } }, {}],
  ] as const) {
    const { code, stderr } = await work.cellrun('run', experiment(more, dataset));
    t.equal(code, 0, stderr);
  }
});

t.test('folders have the layout of the pattern, and broken recordings are all named', async t => {
  const names = ['no/0.wav', 'no/1.wav', 'yes/0.wav', 'yes/1.wav'];
  const whole = names.map((name, i) => [name, wav(ramp(16, i + 1))] as const);
  const path = work.files({ ...Object.fromEntries(whole), 'README.md': 'two words', 'x.wav': wav(ramp(8)) });
  const run = await work.train({
    dataset: config(join(path, '*', '*.wav'), { pattern: '{label}/{take}', test: { column: 'take', is: 1 } }),
    model: { cell: 'gru', hidden_size: 2 },
    training: { num_epochs: 1, batch_size: 2 },
  });
  const idsIn = (stdout: string) => jsonLines(stdout).map(line => line.id);
  const predict = (input: string, ...flags: string[]) =>
    work.cellrun('predict', run.directory, '--input', input, ...flags);
  t.same(idsIn((await predict(path)).stdout), names);
  t.same(idsIn((await predict(join(path, 'no'))).stdout), ['0.wav', '1.wav'], 'a folder without folders');
  const inside = { ...work.place, cwd: join(path, 'no') };
  t.match(await callInProcess(['evaluate', run.directory], inside), { code: 0, stderr: '' }, 'from anywhere');
  t.match(await work.cellrun('evaluate', run.directory, '--input', path, '--json'), {
    code: 0,
    stdout: /"predictions": ?4/,
  });

  const broken = work.files({
    ...Object.fromEntries(whole),
    'no/2.wav': wav(ramp(16)).subarray(0, 60),
    'yes/2.wav': 'no recording',
    'yes/3.wav.gz': gzipSync(wav(ramp(16))).subarray(0, 40),
  });
  const stopped = await predict(broken);
  t.equal(stopped.code, 5);
  t.same(idsIn(stopped.stdout), names.slice(0, 2), 'the recordings before the first broken one');
  for (const [name, problem] of [
    ['no/2.wav', 'the file ends too early'],
    ['yes/2.wav', 'the file is not a WAV recording'],
    ['yes/3.wav.gz', 'the gzip stream ends too early'],
  ])
    t.match(stopped.stderr, new RegExp(`${name}:.* ${problem}`));
  const skipped = await predict(broken, '--on-error', 'skip');
  t.match(skipped, { code: 0, stderr: /skipped 3 of 7 sequences/ });
  t.same(idsIn(skipped.stdout), names);

  const flac = Buffer.from('fLaC and more');
  const mixed = work.files({ ...Object.fromEntries(whole), 'no/1.flac': flac, 'no/notes.txt': '' });
  t.match(await predict(mixed), { code: 0, stderr: '' }, 'a recording and the file it was converted from');
  writeFileSync(join(mixed, 'no/2.flac'), flac);
  const command = /no\/2\.flac: .*the file is FLAC, not WAV\n.*ffmpeg -i ".*no\/2\.flac" ".*no\/2\.wav"/;
  t.match(await predict(mixed), { code: 5, stderr: command });
  const rest = await predict(mixed, '--on-error', 'skip');
  t.match(rest, { code: 0, stderr: /skipped 1 of 5 sequences/ });
  t.same(idsIn(rest.stdout), names);
  t.match(await complaints(5, () => open(config(mixed, { pattern: '{label}/{take}', test_fraction: 0.5 }))), [
    /the file is FLAC, not WAV/,
  ]);
});

t.test('columns of a table need a table', async t => {
  const path = work.files({ 'a_b_0.wav': wav(ramp(8)), 'long.wav': wav(ramp(64)) });
  const validate = (more: object) =>
    work.cellrun(
      'validate',
      work.config({
        dataset: config(join(path, 'long.wav'), more),
        ...{ model: { cell: 'gru', hidden_size: 2 }, training: { num_epochs: 1, batch_size: 2 } },
      }),
    );
  t.match(await validate({ start: 'from', test_fraction: 0.5 }), {
    code: 2,
    stderr: /the key `start` needs `path_column`/,
  });
  t.match(await validate({ start: 'from', path_column: 'file', test_fraction: 0.5 }), {
    code: 2,
    stderr: /long\.wav is a recording, but with `path_column`, `path` is a table\n.*recordings in "file"/s,
  });
});

t.test('messages name the bands, coefficients and samples of features', async t => {
  const path = work.files({ 'a_b_0.wav': wav(tone(200, 800)), 'c_d_0.wav': wav(tone(200, 800)) });
  const namesOf = async (features: object) => {
    const { columnNames, input } = await open(config(path, { features, test_path: path }));
    const size = input.kind === 'number' ? input.size : 0;
    return Array.from({ length: size }, (_, i) => columnNames?.features(i));
  };
  // O'Shaughnessy: equal distances up to 2595 log10(1 + 4000 / 700) = 2146 mel
  const mel = { window: 25, hop: 10, bands: 3, min_frequency: 0, scale: 'htk', floor: 1e-10 };
  const bands = ['band 0 (427 Hz)', 'band 1 (1114 Hz)', 'band 2 (2220 Hz)'];
  t.same(await namesOf({ kind: 'log_mel', ...mel, deltas: 2 }), [
    ...bands,
    ...bands.map(band => `delta of ${band}`),
    ...bands.map(band => `delta-delta of ${band}`),
  ]);
  const cepstra = { coefficients: 2, lifter: 0, deltas: 0 };
  t.same(await namesOf({ kind: 'mfcc', ...mel, ...cepstra }), ['coefficient 0', 'coefficient 1']);
  t.same((await namesOf({ kind: 'raw', window: 1, hop: 1 }))[7], 'sample 7');
});

t.test('standard input says how to convert it, and that samples need a rate', async t => {
  const path = work.files({ 'a_x_0.wav': wav(ramp(16)), 'b_x_0.wav': wav(ramp(16, 2)) });
  const run = await work.train({
    dataset: config(path, { test_fraction: 0.5 }),
    model: { cell: 'gru', hidden_size: 2 },
    training: { num_epochs: 1, batch_size: 2 },
  });
  const piped = (bytes: Buffer) =>
    callInProcess(['predict', run.directory, '--input', '-'], {
      ...work.place,
      stdin: Readable.from([bytes]),
    });
  t.match(await piped(Buffer.from('OggS and more')), {
    code: 5,
    stderr: /the file is Ogg, not WAV\n.*: ffmpeg -i - -f wav - before it in the pipe\n/,
  });
  t.match(await piped(Buffer.alloc(400)), { code: 5, stderr: /samples without a header need --rate/ });
});
